-- Delete an order that the archive has, with everything that was kept for it; or nothing.
--
-- KEYS  1 order   2 its line   3 the line's inbox   4 due-set of the timer lane   5 journal
--       (all in one slot)
-- ARGV  1 order id   2 version that the archive has   3 the held effect   4 its lease: `<attempt>,<since when>`
--       5 an instant: a line with nothing newer on it is idle   6 how long (ms) a line without orders is kept
-- The line loses the order's entry and the counts of reports on its SMS. If that was its last order, the line must be
-- idle (no gateway repeats itself any more), and its dedupe keys go, too; when nothing else stands on it (a refusal, an
-- effect, a report that its number made), the line itself goes. A restriction that was over when the line became idle
-- bars nothing and goes; one that ends later, or a report, lets the line go when `retire_line` finds nothing any more.
-- Returns {word, instant}; word is
--       ok · gone (it is not here: done before) · stale (it changed since it was read) · lost (the effect is no longer
--       held) · unread (its line has unread messages) · young (the line's newest instant, returned, is too new)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local order, line, inbox = KEYS[1], KEYS[2], KEYS[3]
local member = "o:" .. ARGV[1] .. ":" .. ARGV[3]
local kept = redis.call("HMGET", order, "v", "f:" .. ARGV[3])
if not kept[1] then
    redis.call("ZREM", KEYS[4], member)
    return { "gone", 0 }
end
if kept[1] ~= ARGV[2] then return { "stale", 0 } end
if string.match(kept[2] or "", "^%[(%d+,[1-9]%d*),") ~= ARGV[4] then return { "lost", 0 } end
if redis.call("EXISTS", inbox) == 1 then return { "unread", 0 } end

local entry = "o:" .. ARGV[1]
local last, refused, wanted, watched, dated, counted = true, false, false, false, {}, {}
local ends, over = false, {}
local function until_of(field) -- until when a restriction stands; 0: for ever, or unreadable
    local is_read, row = pcall(cjson.decode, redis.call("HGET", line, field))
    return is_read and type(row) == "table" and tonumber(row[9]) or 0
end
local reports = "d:" .. ARGV[1] .. "."
local fields = redis.call("HKEYS", line)
for _, field in ipairs(fields) do
    local kind = string.sub(field, 1, 2)
    if kind == "o:" and field ~= entry then last = false end
    if kind == "r:" then
        local stops = until_of(field)
        if stops == 0 then refused = true elseif stops > tonumber(ARGV[5]) then ends = true else over[#over + 1] = field end
    end
    if kind == "q:" then ends = true end
    if field == "f:wake.line" then watched = true elseif kind == "f:" then wanted = true end
    if kind == "m:" or kind == "a:" or kind == "c:" then dated[#dated + 1] = field end
    if string.sub(field, 1, #reports) == reports then counted[#counted + 1] = field end
end
if last then
    local seen = redis.call("HGET", line, "seen") or "0"
    if tonumber(seen) > tonumber(ARGV[5]) then return { "young", tonumber(seen) } end
end

-- From here on nothing can fail.
redis.call("DEL", order)
redis.call("ZREM", KEYS[4], member)
if #fields == 0 then return { "ok", 0 } end
local line_id = string.match(line, "line:(.*)$")
redis.call("RPUSH", KEYS[5], "= l " .. line_id)
local line_member = "l:" .. line_id .. ":wake.line"
if #over > 0 then redis.call("HDEL", line, unpack(over)) end
if last and not refused and not ends and not wanted then
    redis.call("DEL", line)
    redis.call("ZREM", KEYS[4], line_member)
    return { "ok", 0 }
end
redis.call("HDEL", line, entry, unpack(counted))
if last then
    if not refused and not watched then
        redis.call("HSET", line, "f:wake.line", "[]")
        redis.call("ZADD", KEYS[4], ARGV[5] + ARGV[6], line_member)
    end
    for first = 1, #dated, 1000 do
        redis.call("HDEL", line, unpack(dated, first, math.min(first + 999, #dated)))
    end
end
redis.call("HINCRBY", line, "v", 1)
return { "ok", 0 }

-- Delete a line that has been idle for long and on which nothing stands: a stranger's, or one whose refusal was lifted.
--
-- KEYS  1 line   2 its inbox   3 due-set of the timer lane   4 journal
-- ARGV  1 line id   2 the held effect   3 its lease: `<attempt>,<since when>`   4 an instant: a line with nothing newer is idle
--       5 how long a line must be idle, ms
-- A line with orders goes with the last of them (`retire`), one with a refusal stays; lifting puts this effect again.
-- The end of a restriction counts as the line's newest instant: a restriction that was over when the line became idle
-- is deleted, with it or before it. So does the end of a rewarded report's time on the line, 400 days after the grant:
-- no other record shows that it was rewarded. Where the number's holder may have changed since a report, that one's
-- time counts, too, from when it came: no other record shows that its reporter has the number no longer.
-- Returns 'ok' (gone) · 'stays' · 'young' (checked again later) · 'lost' (the effect is no longer held)

local line, held = KEYS[1], "f:" .. ARGV[2]
local member = "l:" .. ARGV[1] .. ":" .. ARGV[2]
local kept = redis.call("HMGET", line, held, "seen")
if string.match(kept[1] or "", "^%[(%d+,[1-9]%d*),") ~= ARGV[3] then return "lost" end
local stays, busy, dated = false, redis.call("EXISTS", KEYS[2]) == 1, {}
local ends, over = 0, {}
local changed = redis.call("HEXISTS", line, "e0") == 1 -- an event of the number is known
local NAMED_MS = 34560000000 -- NAMED_FOR_MS of domain/line/reported_call.py
local function row_of(field)
    local is_read, row = pcall(cjson.decode, redis.call("HGET", line, field))
    return is_read and type(row) == "table" and row or {}
end
local function until_of(field) -- until when a restriction stands; 0: for ever, or unreadable
    return tonumber(row_of(field)[9]) or 0
end
for _, field in ipairs(redis.call("HKEYS", line)) do
    local kind = string.sub(field, 1, 2)
    if kind == "o:" then stays = true end
    if kind == "r:" then
        local stops = until_of(field)
        if stops == 0 then
            stays = true
        elseif stops > tonumber(ARGV[4]) then
            ends = math.max(ends, stops)
        else
            over[#over + 1] = field
        end
    end
    if kind == "q:" then
        local report = row_of(field)
        local newest = math.max(tonumber(report[5]) or 0, changed and tonumber(report[1]) or 0)
        local stops = newest + NAMED_MS
        if newest > 0 and stops > tonumber(ARGV[4]) then ends = math.max(ends, stops) end
    end
    if kind == "f:" and field ~= held then busy = true end
    if kind == "m:" or kind == "a:" or kind == "c:" then dated[#dated + 1] = field end
end
local seen = tonumber(kept[2] or "0")
local young = busy or seen > tonumber(ARGV[4])

-- From here on nothing can fail.
redis.call("RPUSH", KEYS[4], "= l " .. ARGV[1])
if #over > 0 then redis.call("HDEL", line, unpack(over)) end
if (young or ends > 0) and not stays then
    redis.call("HSET", line, held, "[]")
    local due = math.max(seen, ends, tonumber(ARGV[4]) + (busy and 3600000 or 0)) + ARGV[5] + 1
    redis.call("ZADD", KEYS[3], string.format("%d", due), member)
    return "young"
end
redis.call("ZREM", KEYS[3], member)
if not stays then
    redis.call("DEL", line)
    return "ok"
end
redis.call("HDEL", line, held)
for first = 1, young and 0 or #dated, 1000 do
    redis.call("HDEL", line, unpack(dated, first, math.min(first + 999, #dated)))
end
redis.call("HINCRBY", line, "v", 1)
return "stays"

-- Save all of a decision, or nothing.
--
-- KEYS  1 order   2 line   3 its inbox   4-7 due-sets (inbound, activation, sms, timer)   8 placed   9 funnel
--       10 unmatched   11 offers         (all in one slot; an unused record is named but not touched)
-- ARGV  1 order id or ''        2 version of the order that was read (0: must not exist)
--       3 line id or ''         4 version of the line that was read, '' when it was not read (then only stamped)
--       5 op: the identity of this change
--       6 owner of the held effect 'o', 'l' or ''    7 its id    8 its token (the attempt)
--       9 guard: an instant, or ''
--       10 state before   11 state after   12 head of the chain
--       13 score in `placed`: of a new order, which alone is created; else ''
--       14 key of the message to consume or ''       15 '1': this reader lets go of the line
--       16 name of the offer that a new order needs, or ''   17 the offer, '' when it is believed to be there
--       then five counted lists: order fields (name, value) · effects to put (owner, id, lane, due, kept) ·
--       effects to drop (owner, id, lane, kind) · line fields (name, value; value '' deletes) · unmatched (json)
--       then the names of the restrictions that bar what is put, blank-separated, and `@` with the instant of the
--       decision ('': nothing newly put can be barred)
--       A lane is the number of its KEYS entry. Due -1 is parked: +inf.
--       A drop's kind: 0 anyway, 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight.
-- Returns {word, version of the order, version of the line}; word is
--       ok · same (this op was saved before) · stale (somebody else was first) · lost (the effect is not held any more)
--       · leased (a drop was refused) · guarded (an unread message forbids it) · front (the message is not next)
--       · offer (it is not there: say it) · barred (a restriction stands on the line)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local order, line, inbox = KEYS[1], KEYS[2], KEYS[3]
local has_order, has_line = ARGV[1] ~= "", ARGV[3] ~= ""

local at = 18
local function list(width)
    local first, count = at + 1, tonumber(ARGV[at])
    at = first + count * width
    return first, first + (count - 1) * width
end
local f1, f2 = list(2)
local p1, p2 = list(5)
local d1, d2 = list(4)
local l1, l2 = list(2)
local u1, u2 = list(1)
local barring = ARGV[at]

local function record(owner) return owner == "o" and order or line end

-- Of an effect as kept: attempts, since when it is leased (0: not), doubts.
local function attempts_of(kept)
    local attempts, leased_at, doubts = string.match(kept or "", "^%[(%d+),(%d+),(%d+)")
    return attempts or "0", leased_at or "0", doubts or "0"
end

-- One read a record: its version, the effect this commit holds, of the line also what bars what is put.
local held_field = "f:" .. ARGV[7]
local order_read = has_order and redis.call("HMGET", order, "v", held_field) or {}
local line_fields = has_line and { "v", held_field, "seen" } or {}
local own = #line_fields
local now = string.match(barring, "@(%d+)") or "0"
local function over(kept) -- whether the time of a restriction is over
    local is_read, row = pcall(cjson.decode, kept)
    local ends = is_read and type(row) == "table" and tonumber(row[9]) or 0
    return ends > 0 and ends <= tonumber(now)
end
for name in string.gmatch(barring, "[^%s@]%S*") do line_fields[#line_fields + 1] = "r:" .. name end
local line_read = #line_fields > 0 and redis.call("HMGET", line, unpack(line_fields)) or {}
local order_version, line_version = order_read[1] or "0", has_line and line_read[1] or "0"

local function saved_before()
    if ARGV[2] == "0" then return order_version ~= "0" end -- the same id is the same placing, by construction
    local flat = redis.call("HGETALL", order)
    for i = 1, #flat, 2 do
        if string.match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == ARGV[5] then return true end
    end
    return false
end

if has_order and order_version ~= ARGV[2] then
    if ARGV[5] ~= "" and saved_before() then
        redis.call("HSET", order, "v", order_version) -- so that WAITAOF on this connection proves the first write too
        return { "same", order_version, line_version }
    end
    return { "stale", order_version, line_version }
end
if has_order and order_version == "0" and ARGV[13] == "" then return { "stale", order_version, line_version } end
if has_line and ARGV[4] ~= "" and line_version ~= ARGV[4] then
    return { "stale", order_version, line_version }
end

if ARGV[6] ~= "" then
    local attempts, leased_at = attempts_of((ARGV[6] == "o" and order_read or line_read)[2])
    if attempts ~= ARGV[8] or leased_at == "0" then return { "lost", order_version, line_version } end
end
for i = d1, d2, 4 do
    if ARGV[i + 3] ~= "0" then
        local kept = redis.call("HGET", record(ARGV[i]), "f:" .. ARGV[i + 1])
        local _, leased_at, doubts = attempts_of(kept)
        local begun = (ARGV[i + 3] == "1" and doubts ~= "0") or leased_at ~= "0"
        if begun then return { "leased", order_version, line_version } end
    end
end
for i = own + 1, #line_fields do
    if line_read[i] and not over(line_read[i]) then return { "barred", order_version, line_version } end
end
local unread, front, behind = {}, nil, nil
if ARGV[9] ~= "" or ARGV[14] ~= "" then
    unread = redis.call("LRANGE", inbox, 0, ARGV[9] ~= "" and 99 or 1)
    front, behind = unread[1], unread[2]
end
if ARGV[14] ~= "" then
    if not front or string.match(front, "^%d+|([^|]*)|") ~= ARGV[14] then
        return { "front", order_version, line_version }
    end
end
-- What is consumed here is read; what stands behind it is not. The instant that orders a message is not when it came,
-- where the clock has gone back since the one before: then its last field says that (no text can end so).
for i = ARGV[14] ~= "" and 2 or 1, ARGV[9] ~= "" and #unread or 0 do
    local came = string.match(unread[i], ',"came":(%d+)}$') or string.match(unread[i], "^(%d+)|")
    if tonumber(came) <= tonumber(ARGV[9]) then return { "guarded", order_version, line_version } end
end

if ARGV[16] ~= "" and ARGV[17] == "" and redis.call("HEXISTS", KEYS[11], ARGV[16]) == 0 then
    return { "offer", order_version, line_version }
end

-- From here on nothing can fail.
if ARGV[17] ~= "" then redis.call("HSET", KEYS[11], ARGV[16], ARGV[17]) end
local function member(owner, effect)
    return owner .. ":" .. (owner == "o" and ARGV[1] or ARGV[3]) .. ":" .. effect
end
local sets, gone = { o = {}, l = {} }, { o = {}, l = {} } -- by owner: fields to set, fields to delete
local dropped, added = {}, {} -- by lane: one command a lane
local function of(rows, lane)
    local row = rows[lane]
    if not row then
        row = {}
        rows[lane] = row
    end
    return row
end
local function drop(owner, lane, effect)
    local fields, members = gone[owner], of(dropped, lane)
    fields[#fields + 1] = "f:" .. effect
    members[#members + 1] = member(owner, effect)
end
local function put(owner, lane, effect, due, kept)
    local fields, members = sets[owner], of(added, lane)
    local n, m = #fields, #members
    fields[n + 1], fields[n + 2] = "f:" .. effect, kept
    members[m + 1], members[m + 2] = due, member(owner, effect)
end
for i = d1, d2, 4 do
    drop(ARGV[i], ARGV[i + 2], ARGV[i + 1])
end
for i = p1, p2, 5 do
    put(ARGV[i], ARGV[i + 2], ARGV[i + 1], ARGV[i + 3] == "-1" and "+inf" or ARGV[i + 3], ARGV[i + 4])
end
if ARGV[14] ~= "" then
    redis.call("LPOP", inbox)
    if not behind then
        drop("l", "4", "read")
    elseif ARGV[15] == "1" then
        local _, leased_at = attempts_of(line_read[2])
        put("l", "4", "read", leased_at, "[]") -- since this lease began, it is due
    end
end
for lane, members in pairs(dropped) do redis.call("ZREM", KEYS[tonumber(lane)], unpack(members)) end
for lane, members in pairs(added) do redis.call("ZADD", KEYS[tonumber(lane)], unpack(members)) end
local function write(key, owner)
    if #gone[owner] > 0 then redis.call("HDEL", key, unpack(gone[owner])) end
    redis.call("HSET", key, unpack(sets[owner]))
end
if has_order then
    order_version = string.format("%d", tonumber(order_version) + 1)
    local fields = sets.o
    local n = #fields
    fields[n + 1], fields[n + 2] = "v", order_version
    fields[n + 3], fields[n + 4] = "state", ARGV[11]
    fields[n + 5], fields[n + 6] = "head", ARGV[12]
    n = n + 7 - f1
    for i = f1, f2 + 1 do fields[n + i] = ARGV[i] end
    write(order, "o")
    if ARGV[10] ~= ARGV[11] then redis.call("HINCRBY", KEYS[9], ARGV[10] .. ">" .. ARGV[11], 1) end
    if ARGV[13] ~= "" then redis.call("ZADD", KEYS[8], ARGV[13], ARGV[1]) end
end
if has_line then
    if line_version == "0" then -- higher than that of a line that `retire` deleted: begin with the instant
        local born = redis.call("TIME")[1]
        for i = l1, l2, 2 do
            if ARGV[i] == "seen" then born = tonumber(ARGV[i + 1]) / 1000 end
        end
        line_version = born - 1577836800 -- s since 2020
    end
    line_version = string.format("%d", math.floor(tonumber(line_version)) + 1)
    local fields, without = sets.l, gone.l
    local n = #fields
    fields[n + 1], fields[n + 2] = "v", line_version
    for i = l1, l2, 2 do
        local stale = ARGV[i] == "seen" and tonumber(line_read[3] or "0") > tonumber(ARGV[i + 1])
        if ARGV[i + 1] == "" then
            without[#without + 1] = ARGV[i]
        elseif not stale then -- a line's instants never go back
            n = #fields
            fields[n + 1], fields[n + 2] = ARGV[i], ARGV[i + 1]
        end
    end
    write(line, "l")
end
for i = u1, u2 do
    redis.call("XADD", KEYS[10], "*", "m", ARGV[i])
end
return { "ok", order_version, line_version }

-- Save all of a decision, or nothing: any number of records of one cell, each with what it wants.
--
-- KEYS  1 the inbox of the line that it is about   2-5 due-sets (inbound, activation, sms, timer)   6 unmatched
--       7 offers   8... the records   then the counters and the lists       (all in one slot; some are only named)
-- ARGV  1 op: the identity of this change, which is looked for among the events of the first record
--       2 guard: an instant, or ''
--       3 number of the record whose inbox is read, 0: of none   4 key of the message to consume or ''
--       5 '1': this reader lets go of the line
--       6 name of the offer that a new order needs, or ''   7 the offer, '' when it is believed to be there
--       8 instant of the decision: what was over by then bars nothing; '' = whatever stands bars
--       9 number of the record whose effect is held, 0: none is   10 the effect   11 its token (the attempt)
--       12 how many records; then of each: how its effects' members begin (`o:<id>:`)   the version that was read, '' when
--       it was not (then only stamped)   how it is touched   and four counted lists: fields (name, value; value ''
--       deletes) · effects to put (effect, lane, due, kept) · effects to drop (effect, lane, kind) · names of the
--       restrictions under which nothing is written
--       then three counted lists: counts (KEYS number, field) · list entries (KEYS number, member, score) · unmatched (json)
--       How: 'e' it exists · 'n' it is new, and is made here · 'a' any: made where it is not, its version begins with the
--       instant, so that it is higher than that of one which `retire` deleted · 'l' it is only looked at, and stays as it is.
--       A lane is the number of its KEYS entry. Due -1 is parked: +inf.
--       A drop's kind: 0 anyway, 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight.
-- Returns {word, number of the record that stood in its way (0: none, or no record)}; word is
--       ok · same (this op was saved before) · stale (somebody else was first) · lost (the effect is not held any more)
--       · leased (a drop was refused) · guarded (an unread message forbids it) · front (the message is not next)
--       · offer (it is not there: say it) · barred (a restriction stands on the record)
--
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local FIRST = 7 -- the records stand behind this entry of KEYS
local inbox = KEYS[1]
local op, guard, consumed, now = ARGV[1], ARGV[2], ARGV[4], ARGV[8]
local at = 12 -- the last argument that was read
local function list(width)
    local first = at + 2
    at = at + 1 + tonumber(ARGV[at + 1]) * width
    return first, at
end
local records = {}
for n = 1, tonumber(ARGV[12]) do
    local r = { key = KEYS[FIRST + n], begins = ARGV[at + 1], read = ARGV[at + 2], how = ARGV[at + 3], set = {}, gone = {} }
    at = at + 3
    r.f1, r.f2 = list(2)
    r.p1, r.p2 = list(4)
    r.d1, r.d2 = list(3)
    r.b1, r.b2 = list(1)
    records[n] = r
end
local c1, c2 = list(2)
local s1, s2 = list(3)
local u1, u2 = list(1)
local inboxed, holder = tonumber(ARGV[3]), tonumber(ARGV[9])

-- Of an effect as kept: attempts, since when it is leased (0: not), doubts.
local function attempts_of(kept)
    local attempts, leased_at, doubts = string.match(kept or "", "^%[(%d+),(%d+),(%d+)")
    return attempts or "0", leased_at or "0", doubts or "0"
end
local function over(kept) -- whether the time of a restriction is over
    local is_read, row = pcall(cjson.decode, kept)
    local ends = is_read and type(row) == "table" and tonumber(row[9]) or 0
    return ends > 0 and now ~= "" and ends <= tonumber(now)
end

-- One read a record: its version, the effect this commit holds, its newest instant, the effects to drop with care, what
-- bars it.
for n, r in ipairs(records) do
    local asked = { "v" }
    if n == holder then asked[2] = "f:" .. ARGV[10] end
    if r.how == "a" then
        r.seen = #asked + 1
        asked[r.seen] = "seen"
    end
    r.drops = #asked
    for i = r.d1, r.d2, 3 do
        if ARGV[i + 2] ~= "0" then asked[#asked + 1] = "f:" .. ARGV[i] end
    end
    r.bars = #asked
    for i = r.b1, r.b2 do asked[#asked + 1] = "r:" .. ARGV[i] end
    r.kept = redis.call("HMGET", r.key, unpack(asked))
    r.version = r.kept[1] or "0"
end

local function saved_before(r)
    if r.how == "n" then return r.version ~= "0" end -- the same id is the same placing, by construction
    local flat = redis.call("HGETALL", r.key)
    for i = 1, #flat, 2 do
        if string.match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == op then return true end
    end
    return false
end
for n, r in ipairs(records) do
    local moved = r.read ~= "" and r.version ~= r.read
    if moved and n == 1 and op ~= "" and saved_before(r) then
        redis.call("HSET", r.key, "v", r.version) -- so that WAITAOF on this connection proves the first write too
        return { "same", 0 }
    end
    if moved or r.how == "e" and r.version == "0" then return { "stale", n } end
end
if holder > 0 then
    local attempts, leased_at = attempts_of(records[holder].kept[2])
    if attempts ~= ARGV[11] or leased_at == "0" then return { "lost", holder } end
end
for n, r in ipairs(records) do
    local asked = r.drops
    for i = r.d1, r.d2, 3 do
        if ARGV[i + 2] ~= "0" then
            asked = asked + 1
            local _, leased_at, doubts = attempts_of(r.kept[asked])
            local begun = (ARGV[i + 2] == "1" and doubts ~= "0") or leased_at ~= "0"
            if begun then return { "leased", n } end
        end
    end
end
for n, r in ipairs(records) do
    for i = r.bars + 1, r.bars + 1 + r.b2 - r.b1 do
        if r.kept[i] and not over(r.kept[i]) then return { "barred", n } end
    end
end
local unread, front, behind = {}, nil, nil
if guard ~= "" or consumed ~= "" then
    unread = redis.call("LRANGE", inbox, 0, guard ~= "" and 99 or 1)
    front, behind = unread[1], unread[2]
end
if consumed ~= "" then
    if not front or string.match(front, "^%d+|([^|]*)|") ~= consumed then return { "front", inboxed } end
end
-- What is consumed here is read; what stands behind it is not. The instant that orders a message is not when it came,
-- where the clock has gone back since the one before: then its last field says that (no text can end so).
for i = consumed ~= "" and 2 or 1, guard ~= "" and #unread or 0 do
    local came = string.match(unread[i], ',"came":(%d+)}$') or string.match(unread[i], "^(%d+)|")
    if tonumber(came) <= tonumber(guard) then return { "guarded", inboxed } end
end
if ARGV[6] ~= "" and ARGV[7] == "" and redis.call("HEXISTS", KEYS[7], ARGV[6]) == 0 then return { "offer", 0 } end

-- From here on nothing can fail.
if ARGV[7] ~= "" then redis.call("HSET", KEYS[7], ARGV[6], ARGV[7]) end
local dropped, added = {}, {} -- by lane: one command a lane
local function of(rows, lane)
    local row = rows[lane]
    if not row then
        row = {}
        rows[lane] = row
    end
    return row
end
local function drop(r, lane, effect)
    local fields, members = r.gone, of(dropped, lane)
    fields[#fields + 1] = "f:" .. effect
    members[#members + 1] = r.begins .. effect
end
local function put(r, lane, effect, due, kept)
    local fields, members = r.set, of(added, lane)
    local n, m = #fields, #members
    fields[n + 1], fields[n + 2] = "f:" .. effect, kept
    members[m + 1], members[m + 2] = due, r.begins .. effect
end
for _, r in ipairs(records) do
    for i = r.d1, r.d2, 3 do
        drop(r, ARGV[i + 1], ARGV[i])
    end
    for i = r.p1, r.p2, 4 do
        put(r, ARGV[i + 1], ARGV[i], ARGV[i + 2] == "-1" and "+inf" or ARGV[i + 2], ARGV[i + 3])
    end
end
if consumed ~= "" then
    redis.call("LPOP", inbox)
    if not behind then
        drop(records[inboxed], "2", "read")
    elseif ARGV[5] == "1" then
        local _, leased_at = attempts_of(holder > 0 and records[holder].kept[2])
        put(records[inboxed], "2", "read", leased_at, "[]") -- since this lease began, it is due
    end
end
for lane, members in pairs(dropped) do redis.call("ZREM", KEYS[tonumber(lane)], unpack(members)) end
for lane, members in pairs(added) do redis.call("ZADD", KEYS[tonumber(lane)], unpack(members)) end
for _, r in ipairs(records) do
    if r.how ~= "l" then
        local version, fields, gone = tonumber(r.version), r.set, r.gone
        local newest = r.seen and tonumber(r.kept[r.seen] or "0") or 0
        if r.how == "a" and version == 0 then -- begin with the instant
            local born = redis.call("TIME")[1]
            for i = r.f1, r.f2, 2 do
                if ARGV[i] == "seen" then born = tonumber(ARGV[i + 1]) / 1000 end
            end
            version = math.floor(born - 1577836800) -- s since 2020
        end
        local n = #fields
        fields[n + 1], fields[n + 2] = "v", string.format("%d", version + 1)
        n = n + 2
        for i = r.f1, r.f2, 2 do
            local stale = ARGV[i] == "seen" and newest > tonumber(ARGV[i + 1])
            if ARGV[i + 1] == "" then
                gone[#gone + 1] = ARGV[i]
            elseif not stale then -- a record's instants never go back
                fields[n + 1], fields[n + 2] = ARGV[i], ARGV[i + 1]
                n = n + 2
            end
        end
        if #gone > 0 then redis.call("HDEL", r.key, unpack(gone)) end
        redis.call("HSET", r.key, unpack(fields))
    end
end
for i = c1, c2, 2 do redis.call("HINCRBY", KEYS[tonumber(ARGV[i])], ARGV[i + 1], 1) end
for i = s1, s2, 3 do redis.call("ZADD", KEYS[tonumber(ARGV[i])], ARGV[i + 2], ARGV[i + 1]) end
for i = u1, u2 do redis.call("XADD", KEYS[6], "*", "m", ARGV[i]) end
return { "ok", 0 }

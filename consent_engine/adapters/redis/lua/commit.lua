-- Save all of a decision, or nothing: any number of records of one cell, each with what it wants.
--
-- KEYS  1 the inbox of the line that it is about   2-5 due-sets (inbound, activation, sms, timer)   6 unmatched
--       7 offers   8 journal   9... the records   then the counters and the lists       (all in one slot; some are only named)
-- ARGV  1 op: the identity of this change, which is looked for among the events of the first record
--       2 guard: an instant, or ''
--       3 number of the record whose inbox is read, 0: of none   4 key of the message to consume or ''
--       5 '1': this reader lets go of the line
--       6 name of the offer that a new order needs, or ''   7 the offer, '' when it is believed to be there
--       8 instant of the decision: what was over by then bars nothing; '' = whatever stands bars
--       9 number of the record whose effect is held, 0: none is   10 member of the inbox's line among what is due, or ''
--       11 token of what is held (the attempt)
--       12 '' or the yes that is laid beside the newest of its agent: KEYS number of these (hash)   how many others in one
--       rhythm refuse it, 0: none do   ms within which two are alike   ms of an interval at least   how many are compared
--       so   how many are kept   then, 0s where nothing is compared loosely: ms within which two are alike   how many
--       others refuse it   ms from and to which two are beside each other   how many times as many as these they are
--       ms it took   when it came   whose it is   the agent (field)
--       13 how many records; then of each: the version that was read, '' when it was not (then only stamped)   how it is
--       touched   a digit for each effect that is dropped with care   how many restrictions bar, and three counted lists:
--       what is asked of it, in this order: the effect that is held, `seen` (how: 'a'), the effects that are dropped with
--       care, the restrictions · fields (name, value; `seen` is the first) · names of fields that go
--       then what is due and is listed, and what is no longer due: a count of groups, of each the KEYS number, a count, and
--       the members (where they are put, with their scores before them)
--       then three counted lists: counts (KEYS number, field) · unmatched (json) · what this commit seals, the entries of
--       the journal
--       How: 'e' it exists · 'n' it is new, and is made here · 'a' any: made where it is not, its version begins with the
--       instant, so that it is higher than that of one which `retire` deleted · 'l' it is only looked at, and stays as it is.
--       Care: 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight.
-- Returns {word, number of the record that stood in its way (0: none, or no record)}; word is
--       ok · same (this op was saved before) · stale (somebody else was first) · lost (the effect is not held any more)
--       · leased (a drop was refused) · guarded (an unread message forbids it) · front (the message is not next)
--       · offer (it is not there: say it) · barred (a restriction stands on the record) · rhythm (the yes came in one: then
--       the number of others, and a third value: cadence or lockstep)
--
-- Whatever is written stands among the arguments as Redis takes it: nothing is put together here that need not be.
-- Everything is checked before the first write: a script is isolated, but never rolled back.

local FIRST = 8 -- the records stand behind this entry of KEYS
local call, match = redis.call, string.match
local inbox = KEYS[1]
local op, guard, consumed, now = ARGV[1], ARGV[2], ARGV[4], ARGV[8]
local inboxed, holder = tonumber(ARGV[3]), tonumber(ARGV[9])
local at = 13 -- the last argument that was read
local function list(width)
    local first = at + 2
    at = at + 1 + ARGV[at + 1] * width
    return first, at
end
local records = {} -- one read of each
for n = 1, tonumber(ARGV[13]) do
    local read, how, care, bars = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
    at = at + 4
    local a1, a2 = list(1)
    local f1, f2 = list(2)
    local g1, g2 = list(1)
    local key = KEYS[FIRST + n]
    local kept = call("HMGET", key, "v", unpack(ARGV, a1, a2))
    records[n] = {
        key = key, read = read, how = how, care = care, kept = kept, version = kept[1] or "0",
        f1 = f1, f2 = f2, g1 = g1, g2 = g2, cares = #kept - bars - #care, bars = #kept - bars,
    }
end

-- Of an effect as kept: attempts, since when it is leased (0: not), whether it is in doubt.
local function attempts_of(kept)
    local attempts, leased_at, doubts, first_at = match(kept or "", "^%[(%d+),(%d+),(%d+),(%d+)")
    return attempts or "0", leased_at or "0", (doubts or "0") ~= "0" and first_at ~= "0"
end
local function over(kept) -- whether the time of a restriction is over
    local is_read, row = pcall(cjson.decode, kept)
    local ends = is_read and type(row) == "table" and tonumber(row[9]) or 0
    return ends > 0 and now ~= "" and ends <= tonumber(now)
end
local function within(apart, least, most, newest) -- how many of the newest are so far apart
    local count = 0
    for n = math.max(1, #apart - newest + 2), #apart do
        if apart[n] >= least and apart[n] <= most then count = count + 1 end
    end
    return count
end
-- What a yes is beside the newest of its agent, each number's once: how many others took as long, or, where only the
-- hand-over is known, about as long while few took a little more or less; or whether the last of them came at equal
-- intervals; and how they are kept with it.
local function beside()
    local key, most, near, step, depth, keeps, wide, many, from, to, times, took, came, who, agent = match(
        ARGV[12],
        "^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+) (.*)$"
    )
    local found = { key = KEYS[tonumber(key)], agent = agent, alike = 0 }
    most, near, step, depth, keeps = tonumber(most), tonumber(near), tonumber(step), tonumber(depth), tonumber(keeps)
    wide, many, from, to = tonumber(wide), tonumber(many), tonumber(from), tonumber(to)
    local others, instants, apart = {}, { tonumber(came) }, {}
    for each, at, whose in string.gmatch(call("HGET", found.key, agent) or "", "(%d+),(%d+),([^;]+);") do
        if whose ~= who then
            others[#others + 1] = each .. "," .. at .. "," .. whose .. ";"
            instants[#instants + 1] = tonumber(at)
            apart[#apart + 1] = math.abs(each - took)
        end
    end
    found.kept = table.concat(others, "", math.max(1, #others - keeps + 2)) .. took .. "," .. came .. "," .. who .. ";"
    found.alike = most > 0 and within(apart, 0, near, depth) or 0
    if most > 0 and found.alike >= most then
        found.rule = "cadence"
        return found
    end
    local loosely = many > 0 and within(apart, 0, wide, keeps) or 0
    if many > 0 and loosely >= many and loosely >= times * within(apart, from, to, keeps) then
        found.rule, found.alike = "cadence", loosely
    elseif most > 0 and #instants > most then
        table.sort(instants)
        local last = instants[#instants] - instants[#instants - 1]
        local equal = last >= step
        for n = #instants - most + 1, #instants do
            equal = equal and math.abs(instants[n] - instants[n - 1] - last) <= near
        end
        if equal then found.rule, found.alike = "lockstep", most end
    end
    return found
end
local function saved_before(r)
    if r.how == "n" then return r.version ~= "0" end -- the same id is the same placing, by construction
    local flat = call("HGETALL", r.key)
    for i = 1, #flat, 2 do
        if match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == op then return true end
    end
    return false
end
for n, r in ipairs(records) do
    local moved = r.read ~= "" and r.version ~= r.read
    if moved and n == 1 and op ~= "" and saved_before(r) then
        call("HSET", r.key, "v", r.version) -- so that WAITAOF on this connection proves the first write too
        return { "same", 0 }
    end
    if moved or r.how == "e" and r.version == "0" then return { "stale", n } end
end
if holder > 0 then
    local attempts, leased_at = attempts_of(records[holder].kept[2])
    if attempts ~= ARGV[11] or leased_at == "0" then return { "lost", holder } end
end
for n, r in ipairs(records) do
    for i = 1, #r.care do
        local _, leased_at, in_doubt = attempts_of(r.kept[r.cares + i])
        local begun = (string.sub(r.care, i, i) == "1" and in_doubt) or leased_at ~= "0"
        if begun then return { "leased", n } end
    end
end
for n, r in ipairs(records) do
    for i = r.bars + 1, #r.kept do
        if r.kept[i] and not over(r.kept[i]) then return { "barred", n } end
    end
end
local unread, front, behind = {}, nil, nil
if guard ~= "" or consumed ~= "" then
    unread = call("LRANGE", inbox, 0, guard ~= "" and 99 or 1)
    front, behind = unread[1], unread[2]
end
if consumed ~= "" then
    if not front or match(front, "^%d+|([^|]*)|") ~= consumed then return { "front", inboxed } end
end
-- What is consumed here is read; what stands behind it is not. The instant that orders a message is not when it came,
-- where the clock has gone back since the one before: then its last field says that (no text can end so).
for i = consumed ~= "" and 2 or 1, guard ~= "" and #unread or 0 do
    local came = match(unread[i], ',"came":(%d+)}$') or match(unread[i], "^(%d+)|")
    if tonumber(came) <= tonumber(guard) then return { "guarded", inboxed } end
end
local beats = ARGV[12] ~= "" and beside()
if beats and beats.rule then return { "rhythm", beats.alike, beats.rule } end
if ARGV[6] ~= "" and ARGV[7] == "" and call("HEXISTS", KEYS[7], ARGV[6]) == 0 then return { "offer", 0 } end

-- From here on nothing can fail.
if ARGV[7] ~= "" then call("HSET", KEYS[7], ARGV[6], ARGV[7]) end
if beats and call("HSET", beats.key, beats.agent, beats.kept) == 1 then call("EXPIRE", beats.key, 172800) end
for _, r in ipairs(records) do
    if r.how ~= "l" then
        local version, first = tonumber(r.version), r.f1
        local seen = r.how == "a" and ARGV[first] == "seen" and first < r.f2 and tonumber(ARGV[first + 1])
        if r.how == "a" and version == 0 then -- begin with the instant
            version = math.floor((seen and seen / 1000 or call("TIME")[1]) - 1577836800) -- s since 2020
        end
        -- A record's instants never go back.
        if seen and tonumber(r.kept[r.cares] or "0") > seen then first = first + 2 end
        if r.g1 <= r.g2 then call("HDEL", r.key, unpack(ARGV, r.g1, r.g2)) end
        call("HSET", r.key, "v", string.format("%d", version + 1), unpack(ARGV, first, r.f2))
    end
end
local done -- the read that ends here
if consumed ~= "" then
    call("LPOP", inbox)
    if not behind then
        call("HDEL", records[inboxed].key, "f:read")
        done = ARGV[10]
    elseif ARGV[5] == "1" then
        local _, leased_at = attempts_of(holder > 0 and records[holder].kept[2])
        call("HSET", records[inboxed].key, "f:read", "[]")
        call("ZADD", KEYS[2], leased_at, ARGV[10]) -- since this lease began, it is due
    end
end
local function rows(command, first_of_inbound)
    local groups = tonumber(ARGV[at + 1])
    at = at + 1
    for _ = 1, groups do
        local key, first, last = tonumber(ARGV[at + 1]), at + 3, at + 2 + ARGV[at + 2]
        if key == 2 and first_of_inbound then
            call(command, KEYS[2], first_of_inbound, unpack(ARGV, first, last))
            first_of_inbound = nil
        else
            call(command, KEYS[key], unpack(ARGV, first, last))
        end
        at = last
    end
    if first_of_inbound then call(command, KEYS[2], first_of_inbound) end
end
-- Put first, and taken off in one command a lane: in a slot that is moving, a key that was emptied is not there any more,
-- and the script would end half done.
rows("ZADD")
rows("ZREM", done)
local c1, c2 = list(2)
for i = c1, c2, 2 do call("HINCRBY", KEYS[tonumber(ARGV[i])], ARGV[i + 1], 1) end
local u1, u2 = list(1)
for i = u1, u2 do call("XADD", KEYS[6], "*", "m", ARGV[i]) end
local e1, e2 = list(1)
if e2 >= e1 then call("RPUSH", KEYS[8], unpack(ARGV, e1, e2)) end
return { "ok", 0 }

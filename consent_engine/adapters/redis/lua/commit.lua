-- Save decisions, each with all that is written with it, or nothing of it: any number of commits of one cell in one go.
--
-- KEYS  1 unmatched   2-5 due-sets (inbound, activation, sms, timer)   6 journal   then whatever the commits name by its
--       number: records, inboxes, counters and lists                   (all in one slot; some are only named)
-- ARGV  1 how many commits; then of each how many arguments it has, and these:
--       1 op: the identity of this change, which is looked for among the events of the first record
--       2 guard: an instant, or ''
--       3 which of its records has the inbox that is read, 0: none   4 key of the message to consume or ''
--       5 '1': this reader lets go of the line
--       6 instant of the decision: what was over by then bars nothing; '' = whatever stands bars
--       7 which of its records has the effect that is held, 0: none   8 member of the inbox's line among what is due, or ''
--       9 token of what is held (the attempt)
--       10 '' or the yes that is laid beside the newest of its agent: KEYS number of these (hash)   how many others in one
--       rhythm refuse it, 0: none do   ms within which two are alike   ms of an interval at least   how many are compared
--       so   how many are kept   then, 0s where nothing is compared loosely: ms within which two are alike   how many
--       others refuse it   ms from and to which two are beside each other   how many times as many as these they are
--       ms it took   when it came   whose it is   the agent (field)
--       11 KEYS number of the inbox of the line that it is about   12 the number of what it counts, 0: nothing
--       13 how many records; then of each: its KEYS number   the version that was read, '' when it was not (then only
--       stamped)   how it is touched   a digit for each effect that is dropped with care   how many restrictions bar, and
--       three counted lists: what is asked of it, in this order: the effect that is held, `seen` (how: 'a'), the effects
--       that are dropped with care, the restrictions · fields (name, value; `seen` is the first) · names of fields that go
--       then four counted lists: what is due and is listed (KEYS number, score, member) · what is no longer so (KEYS
--       number, member) · unmatched (json) · what this commit seals, the entries of the journal
--       Behind all commits: how many things are counted, of each a counted list: counts (KEYS number, field)
--       How: 'e' it exists · 'n' it is new, and is made here · 'a' any: made where it is not, its version begins with the
--       instant, so that it is higher than that of one which `retire` deleted · 'l' it is only looked at, and stays as it is.
--       Care: 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight.
-- Returns for each commit 'ok', or {word, which of its records stood in its way (0: none)}; word is
--       same (this op was saved before) · stale (somebody else was first) · lost (the effect is not held any more)
--       · leased (a drop was refused) · guarded (an unread message forbids it) · front (the message is not next)
--       · barred (a restriction stands on the record) · rhythm (the yes came in one: then the number of others, and a
--       third value: cadence or lockstep)
--
-- Whatever is written stands among the arguments as Redis takes it: nothing is put together here that need not be.
-- Of each commit everything is checked before its first write: a script is isolated, but never rolled back. What commits
-- put into one list, count or journal is put there once for all of them, at the end: nothing here looks at these.

local call, match = redis.call, string.match
local before, at = 0, 1 -- the argument before those of the commit at hand; the last one that was read
local listed, counted, sealed = {}, {}, {} -- listed: by KEYS number, a member's score, or false where it goes
local function list(width)
    local first = at + 2
    at = at + 1 + ARGV[at + 1] * width
    return first, at
end
local function of(key)
    local members = listed[key]
    if not members then
        members = {}
        listed[key] = members
    end
    return members
end

-- Of an effect as kept: attempts, since when it is leased (0: not), whether it is in doubt.
local function attempts_of(kept)
    local attempts, leased_at, doubts, first_at = match(kept or "", "^%[(%d+),(%d+),(%d+),(%d+)")
    return attempts or "0", leased_at or "0", (doubts or "0") ~= "0" and first_at ~= "0"
end
local function over(kept) -- whether the time of a restriction is over
    local now = ARGV[before + 6]
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
        ARGV[before + 10],
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
    local op, flat = ARGV[before + 1], call("HGETALL", r.key)
    for i = 1, #flat, 2 do
        if match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == op then return true end
    end
    return false
end
local function put_down() -- what is due and is listed, and what is no longer due
    local p1, p2 = list(3)
    for i = p1, p2, 3 do of(ARGV[i])[ARGV[i + 2]] = ARGV[i + 1] end
    local g1, g2 = list(2)
    for i = g1, g2, 2 do of(ARGV[i])[ARGV[i + 1]] = false end
end
local function commit()
    local first = before
    local op, guard, consumed = ARGV[first + 1], ARGV[first + 2], ARGV[first + 4]
    local inboxed, holder = tonumber(ARGV[first + 3]), tonumber(ARGV[first + 7])
    at = first + 13
    local records = {} -- one read of each
    for n = 1, tonumber(ARGV[at]) do
        local key, read, how = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
        local care, bars = ARGV[at + 4], tonumber(ARGV[at + 5])
        at = at + 5
        local a1, a2 = list(1)
        local f1, f2 = list(2)
        local g1, g2 = list(1)
        local kept = call("HMGET", key, "v", unpack(ARGV, a1, a2))
        records[n] = {
            key = key, read = read, how = how, care = care, kept = kept, version = kept[1] or "0",
            f1 = f1, f2 = f2, g1 = g1, g2 = g2, cares = #kept - bars - #care, bars = #kept - bars,
        }
    end
    for n, r in ipairs(records) do
        local moved = r.read ~= "" and r.version ~= r.read
        if moved and n == 1 and op ~= "" and saved_before(r) then
            call("HSET", r.key, "v", r.version) -- so that WAITAOF on this connection proves the first write too
            return { "same", 0 }
        end
        if moved or r.how == "e" and r.version == "0" then return { "stale", n } end
        r.number = assert(tonumber(r.version), "a version that is no number")
        r.seen = assert(r.how ~= "a" or tonumber(r.kept[r.cares] or "0"), "an instant that is no number")
    end
    if holder > 0 then
        local attempts, leased_at = attempts_of(records[holder].kept[2])
        if attempts ~= ARGV[first + 9] or leased_at == "0" then return { "lost", holder } end
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
    local inbox, unread, front, behind = KEYS[tonumber(ARGV[first + 11])], {}, nil, nil
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
    local beats = ARGV[first + 10] ~= "" and beside()
    if beats and beats.rule then return { "rhythm", beats.alike, beats.rule } end

    -- From here on nothing can fail.
    if beats and call("HSET", beats.key, beats.agent, beats.kept) == 1 then call("EXPIRE", beats.key, 172800) end
    for _, r in ipairs(records) do
        if r.how ~= "l" then
            local version, first = r.number, r.f1
            local seen = r.how == "a" and ARGV[first] == "seen" and first < r.f2 and tonumber(ARGV[first + 1])
            if r.how == "a" and version == 0 then -- begin with the instant
                version = math.floor((seen and seen / 1000 or call("TIME")[1]) - 1577836800) -- s since 2020
            end
            -- A record's instants never go back.
            if seen and r.seen > seen then first = first + 2 end
            if r.g1 <= r.g2 then call("HDEL", r.key, unpack(ARGV, r.g1, r.g2)) end
            call("HSET", r.key, "v", string.format("%d", version + 1), unpack(ARGV, first, r.f2))
        end
    end
    local done -- the read that ends here
    if consumed ~= "" then
        call("LPOP", inbox)
        if not behind then
            call("HDEL", records[inboxed].key, "f:read")
            done = ARGV[first + 8]
        elseif ARGV[first + 5] == "1" then
            local _, leased_at = attempts_of(holder > 0 and records[holder].kept[2])
            call("HSET", records[inboxed].key, "f:read", "[]")
            of("2")[ARGV[first + 8]] = leased_at -- since this lease began, it is due
        end
    end
    put_down()
    if done then of("2")[done] = false end
    local u1, u2 = list(1)
    local e1, e2 = list(1)
    for i = e1, e2 do sealed[#sealed + 1] = ARGV[i] end
    local counts = ARGV[first + 12]
    if counts ~= "0" then counted[counts] = (counted[counts] or 0) + 1 end
    for i = u1, u2 do call("XADD", KEYS[1], "*", "m", ARGV[i]) end
    return "ok"
end

local answers, following, failed = {}, 2, nil
for n = 1, tonumber(ARGV[1]) do
    before = following
    following = before + 1 + ARGV[before]
    local is_done, answer = pcall(commit) -- one whose record cannot be read must not stop the others
    if not is_done then failed = failed or answer end
    answers[n] = answer
end
local MOST = 4000 -- of what one command is told
local function all(command, key, told)
    for n = 1, #told, MOST do
        call(command, KEYS[tonumber(key)], unpack(told, n, math.min(n + MOST - 1, #told)))
    end
end
-- Put first, and taken off in one command a lane: in a slot that is moving, a key that was emptied is not there any more,
-- and the script would end half done.
local gone = {}
for key, members in pairs(listed) do
    local put, off = {}, {}
    for member, score in pairs(members) do
        if score then
            local n = #put
            put[n + 1], put[n + 2] = score, member
        else
            off[#off + 1] = member
        end
    end
    all("ZADD", key, put)
    gone[key] = off
end
for key, off in pairs(gone) do all("ZREM", key, off) end
all("RPUSH", 6, sealed)
at = following
for n = 1, tonumber(ARGV[following]) do
    local c1, c2 = list(2)
    local times = counted[tostring(n)]
    if times then
        for i = c1, c2, 2 do call("HINCRBY", KEYS[tonumber(ARGV[i])], ARGV[i + 1], times) end
    end
end
if failed then return type(failed) == "table" and failed or redis.error_reply(tostring(failed)) end
return answers

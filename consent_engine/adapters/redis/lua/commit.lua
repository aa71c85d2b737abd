-- Save decisions, each with everything that is written with it, or not at all: any number of commits of a cell at once.
--
-- KEYS  1 unmatched   2-5 due-sets (inbound, activation, sms, timer)   6 journal   7 offers   then the keys that the
--       commits refer to by number: records, inboxes and lists  (all in one slot; some are only named)
-- ARGV  1 now, '' = ask the server
--       then two counted lists: offers that the commits need (name, content; '' when it is believed to be stored) ·
--       KEYS numbers of the records that were not there when they were looked for
--       then how many commits; then for each the number of its arguments, and these:
--       1 op: the identity of this change, which is searched for among the events of the first record
--       2 guard: an instant, or ''
--       3 which of its records has the inbox that is read, 0: none   4 key of the message to consume or ''
--       5 '1': this reader lets go of the line
--       6 instant of the decision: restrictions over by then bar nothing; '' = every restriction that stands bars
--       7 which of its records has the effect that is held, 0: none   8 due-set member of the inbox's line, or ''
--       9 the lease of the held effect: `<attempt>,<since when>`
--       10 '' or the newest yeses of an agent, with which a yes was compared: their KEYS number (hash)   SHA-1 of
--       these as they were read, '-': none; stale where they are others now   as they are kept now, with this one   the
--       agent (field)
--       11 KEYS number of the inbox of the line it is about
--       12 the instant from which on it is stale, '' = it never is: what it rests on is kept elsewhere
--       13 the number of the offer that it needs, 0: none
--       14 how many records; then for each: its KEYS number   the version that was read, '' when it was not (then it is
--       only stamped)   how it is touched   a digit for each effect that is dropped with care   how many restrictions
--       bar, and three counted lists: the fields to check, in this order: the effect that is held, `seen` (how: 'a'),
--       the effects that are dropped with care, the restrictions · fields to set (name, value; `seen` is the first) ·
--       names of fields to delete
--       then four counted lists: members added to lists (KEYS number, score, member) · members removed (KEYS number,
--       member) · entries added to streams (KEYS number, json) · entries of the journal that this commit seals
--       How: 'e' it exists · 'n' it is new, and is made here · 'a' any: made where it does not exist; its version
--       begins with the instant, higher than that of one which was deleted · 'l' it is only read, and stays · 'd' it
--       leaves: it is deleted, and where it is gone this op was saved before.
--       Care: 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight.
-- Returns for each commit 'ok', or {word, number of its record that stood in its way (0: none)}; word is
--       same (this op was saved before) · stale (another commit was first, or it came too late) · lost (the effect is
--       no longer held) · offer (it is not stored) · leased (a drop was refused) · guarded (an unread message forbids it) · front (the message is not next)
--       · barred (a restriction stands on the record)
--
-- All values are passed in the form in which Redis takes them: as little as possible is put together here.
-- Everything about a commit is checked before its first write: a script is isolated, but never rolled back. Members of
-- lists and entries are written at the end, once for all commits: no check here reads them.

local call, match = redis.call, string.match
local before, at = 0, 1 -- the index before the arguments of the current commit; the last index read
local listed, sealed = {}, {} -- listed: by KEYS number, a member's score, or false to remove it
local function list(width)
    local first = at + 2
    at = at + 1 + ARGV[at + 1] * width
    return first, at
end
local offers = {}
local o1, o2 = list(2)
for i = o1, o2, 2 do
    local known = ARGV[i + 1] ~= "" or call("HEXISTS", KEYS[7], ARGV[i]) == 1
    offers[#offers + 1] = { name = ARGV[i], content = ARGV[i + 1], known = known }
end
local absent = {} -- one look at all records that were not there, since hardly any of them is there now
local n1, n2 = list(1)
for i = n1, n2 do absent[i - n1 + 1] = KEYS[tonumber(ARGV[i])] end
local is_absent = {}
if #absent > 0 and call("EXISTS", unpack(absent)) == 0 then
    for _, key in ipairs(absent) do is_absent[key] = true end
end
local function of(key)
    local members = listed[key]
    if not members then
        members = {}
        listed[key] = members
    end
    return members
end

local now = tonumber(ARGV[1])
local function in_time(ends)
    if ends == "" then return true end
    if not now then
        local time = call("TIME")
        now = time[1] * 1000 + math.floor(time[2] / 1000)
    end
    return now < tonumber(ends)
end
-- Of a kept effect: its attempts, the instant of its lease (0: not leased), whether it is in doubt.
local function attempts_of(kept)
    local attempts, leased_at, doubts, first_at = match(kept or "", "^%[(%d+),(%d+),(%d+),(%d+)")
    return attempts or "0", leased_at or "0", (doubts or "0") ~= "0" and first_at ~= "0"
end
local function over(kept) -- whether a restriction has ended
    local decided = ARGV[before + 6]
    local is_read, row = pcall(cjson.decode, kept)
    local ends = is_read and type(row) == "table" and tonumber(row[9]) or 0
    return ends > 0 and decided ~= "" and ends <= tonumber(decided)
end
local function saved_before(r)
    if r.how == "n" then return r.version ~= "0" end -- one id is one placing, by construction
    if r.how == "d" then return r.version == "0" end
    local op, flat = ARGV[before + 1], call("HGETALL", r.key)
    for i = 1, #flat, 2 do
        if match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == op then return true end
    end
    return false
end
local function put_down() -- members added to lists, and members removed
    local p1, p2 = list(3)
    for i = p1, p2, 3 do of(ARGV[i])[ARGV[i + 2]] = ARGV[i + 1] end
    local g1, g2 = list(2)
    for i = g1, g2, 2 do of(ARGV[i])[ARGV[i + 1]] = false end
end
local function commit()
    local first = before
    local op, guard, consumed = ARGV[first + 1], ARGV[first + 2], ARGV[first + 4]
    local inboxed, holder = tonumber(ARGV[first + 3]), tonumber(ARGV[first + 7])
    at = first + 14
    local records = {} -- each is read once
    for n = 1, tonumber(ARGV[at]) do
        local key, read, how = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], ARGV[at + 3]
        local care, bars = ARGV[at + 4], tonumber(ARGV[at + 5])
        at = at + 5
        local a1, a2 = list(1)
        local f1, f2 = list(2)
        local g1, g2 = list(1)
        local kept = not is_absent[key] and call("HMGET", key, "v", unpack(ARGV, a1, a2)) or {}
        local asked = a2 - a1 + 2
        records[n] = {
            key = key, read = read, how = how, care = care, kept = kept, version = kept[1] or "0", asked = asked,
            f1 = f1, f2 = f2, g1 = g1, g2 = g2, cares = asked - bars - #care, bars = asked - bars,
        }
    end
    for n, r in ipairs(records) do
        local moved = r.read ~= "" and r.version ~= r.read
        if moved and n == 1 and op ~= "" and saved_before(r) then
            -- So that WAITAOF on this connection proves the first write, too.
            if r.how ~= "d" then call("HSET", r.key, "v", r.version) end
            return { "same", 0 }
        end
        if moved or r.how == "e" and r.version == "0" then return { "stale", n } end
        r.number = assert(tonumber(r.version), "a version that is no number")
        r.seen = assert(r.how ~= "a" or tonumber(r.kept[r.cares] or "0"), "an instant that is no number")
    end
    if not in_time(ARGV[first + 12]) then return { "stale", 0 } end
    local offer = offers[tonumber(ARGV[first + 13])]
    if offer and not offer.known then return { "offer", 0 } end
    if holder > 0 then
        local held = match(records[holder].kept[2] or "", "^%[(%d+,[1-9]%d*),")
        if held ~= ARGV[first + 9] then return { "lost", holder } end
    end
    for n, r in ipairs(records) do
        for i = 1, #r.care do
            local _, leased_at, in_doubt = attempts_of(r.kept[r.cares + i])
            local begun = (string.sub(r.care, i, i) == "1" and in_doubt) or leased_at ~= "0"
            if begun then return { "leased", n } end
        end
    end
    for n, r in ipairs(records) do
        for i = r.bars + 1, r.asked do
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
    -- The consumed message counts as read; those behind it do not. Where the clock has gone back since the message
    -- before, the instant that orders a message is not its arrival: its last field is (no text can end so).
    for i = consumed ~= "" and 2 or 1, guard ~= "" and #unread or 0 do
        local came = match(unread[i], ',"came":(%d+)}$') or match(unread[i], "^(%d+)|")
        if tonumber(came) <= tonumber(guard) then return { "guarded", inboxed } end
    end
    local key, known, kept, agent = match(ARGV[first + 10], "^(%d+) (%S+) (%S+) (.*)$")
    local newest = key and KEYS[tonumber(key)]
    local there = newest and call("HGET", newest, agent)
    if newest and (there and redis.sha1hex(there) or "-") ~= known then return { "stale", 0 } end

    -- From here on nothing can fail.
    if offer and offer.content ~= "" then
        call("HSET", KEYS[7], offer.name, offer.content)
        offer.content = ""
    end
    if newest and call("HSET", newest, agent, kept) == 1 then call("EXPIRE", newest, 172800) end
    for _, r in ipairs(records) do
        if r.how == "d" then
            call("DEL", r.key)
            is_absent[r.key] = true
        elseif r.how ~= "l" then
            is_absent[r.key] = nil
            local version, first = r.number, r.f1
            local seen = r.how == "a" and ARGV[first] == "seen" and first < r.f2 and tonumber(ARGV[first + 1])
            if r.how == "a" and version == 0 then -- a new version begins with the instant
                version = math.floor((seen and seen / 1000 or call("TIME")[1]) - 1577836800) -- s since 2020
            end
            -- A record's instants never go back.
            if seen and r.seen > seen then first = first + 2 end
            if r.g1 <= r.g2 then call("HDEL", r.key, unpack(ARGV, r.g1, r.g2)) end
            call("HSET", r.key, "v", string.format("%d", version + 1), unpack(ARGV, first, r.f2))
        end
    end
    local done -- member of the read effect that ends here
    if consumed ~= "" then
        call("LPOP", inbox)
        if not behind then
            call("HDEL", records[inboxed].key, "f:read")
            done = ARGV[first + 8]
        elseif ARGV[first + 5] == "1" then
            local _, leased_at = attempts_of(holder > 0 and records[holder].kept[2])
            call("HSET", records[inboxed].key, "f:read", "[]")
            of("2")[ARGV[first + 8]] = leased_at -- due since this lease began
        end
    end
    put_down()
    if done then of("2")[done] = false end
    local u1, u2 = list(2)
    local e1, e2 = list(1)
    for i = e1, e2 do sealed[#sealed + 1] = ARGV[i] end
    for i = u1, u2, 2 do call("XADD", KEYS[tonumber(ARGV[i])], "*", "m", ARGV[i + 1]) end
    return "ok"
end

local answers, following, failed = {}, at + 2, nil
for n = 1, tonumber(ARGV[at + 1]) do
    before = following
    following = before + 1 + ARGV[before]
    local is_done, answer = pcall(commit) -- an unreadable record must not stop the other commits
    if not is_done then failed = failed or answer end
    answers[n] = answer
end
local MOST = 4000 -- arguments of one command at most
local function all(command, key, told)
    for n = 1, #told, MOST do
        call(command, KEYS[tonumber(key)], unpack(told, n, math.min(n + MOST - 1, #told)))
    end
end
-- Members are added first, and removed in one command per lane: in a slot that is moving, a key that was emptied no
-- longer exists here, and the script would end half done.
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
if failed then return type(failed) == "table" and failed or redis.error_reply(tostring(failed)) end
return answers

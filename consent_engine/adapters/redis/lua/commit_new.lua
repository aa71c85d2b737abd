-- Save new orders, each with everything that is written with it, or nothing of it: many at once.
--
-- The same as `commit`, for commits that only make and stamp records: none holds an effect, drops one with care,
-- consumes a message or is barred. Many such commits come at once, so values they share are passed once, and the
-- members of lists, counts and journal entries are written once for all of them.
--
-- KEYS  1 offers   2 journal   then the records, in the order of their commits, then the lists and the counters
-- ARGV  1 how many records there are in all   2 now, '' = ask the server
--       3 how many offers; for each: its name, and its content ('' when it is believed to be stored)
--       then how many commits; for each: the instant from which on it is stale, '' = it never is   the number
--       of the offer that it needs   the number of its set of counts, 0: it counts nothing   how many records; for each: the version that was read   how it is touched, as in
--       `commit` · two counted lists: fields to set (name, value; `seen` is the first where the record may exist or
--       not) · names of fields to delete
--       then three counted lists: members added to lists (number of the list, score, member) · members removed (number,
--       member) · entries of the journal that it seals
--       then how many sets of counts; for each a counted list: counters (number of the counter's list, field)
-- Returns for each commit 'ok', or {word, number of the record that stood in its way}; words as in `commit`, of these:
--       same · stale · offer (not stored). A commit that names a record which an earlier one writes is stale.
--
-- Everything is read and checked before the first write: a script is isolated, but never rolled back.

local call = redis.call
local lists = 2 + tonumber(ARGV[1]) -- they follow this entry of KEYS
local now = tonumber(ARGV[2])
if not now then
    local time = call("TIME")
    now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local at = 2 -- index of the last argument read
local function number()
    at = at + 1
    return tonumber(ARGV[at])
end
local function list(width)
    local count = number()
    local first = at + 1
    at = at + count * width
    return first, at
end

local offers, commits, unseen, keys = {}, {}, {}, 2
for n = 1, number() do
    local name, content = ARGV[at + 1], ARGV[at + 2]
    at = at + 2
    offers[n] = { name = name, content = content, known = content ~= "" or call("HEXISTS", KEYS[1], name) == 1 }
end
for n = 1, number() do
    local ends, offer, counts, records = number() or math.huge, offers[number()], number(), {}
    for i = 1, number() do
        keys = keys + 1
        local read, how = ARGV[at + 1], ARGV[at + 2]
        at = at + 2
        local f1, f2 = list(2)
        local g1, g2 = list(1)
        -- All fields at once: a table that grows is reallocated.
        records[i] = {
            key = KEYS[keys], read = read, how = how, f1 = f1, f2 = f2, g1 = g1, g2 = g2, version = 0, seen = 0,
        }
        if read == "0" then unseen[#unseen + 1] = KEYS[keys] end
    end
    local p1, p2 = list(3)
    local g1, g2 = list(2)
    local e1, e2 = list(1)
    commits[n] = { ends = ends, offer = offer, counts = counts, records = records, p1 = p1, p2 = p2, g1 = g1, g2 = g2, e1 = e1, e2 = e2 }
end
-- One EXISTS for all records believed new; where one of them exists, each is read.
local unknown = #unseen > 0 and call("EXISTS", unpack(unseen)) == 0

local touched = {} -- by earlier commits
local function refused(c)
    for n, r in ipairs(c.records) do
        if touched[r.key] then return { "stale", n } end
        if not unknown or r.read ~= "0" or r.how == "e" then
            local kept = call("HMGET", r.key, "v", "seen")
            local version = kept[1] or "0"
            if n == 1 and r.how == "n" and version ~= "0" then -- one id is one placing, by construction
                call("HSET", r.key, "v", version) -- so that WAITAOF on this connection proves the first write too
                return { "same", 0 }
            end
            if version ~= r.read or r.how == "e" and version == "0" then return { "stale", n } end
            r.version = assert(tonumber(version), "a version that is no number")
            r.seen = assert(tonumber(kept[2] or "0"), "an instant that is no number")
        end
    end
    if now >= c.ends then return { "stale", 0 } end
    if not c.offer.known then return { "offer", 0 } end
    for _, r in ipairs(c.records) do
        touched[r.key] = r.how ~= "l" or nil
    end
    return nil
end
local answers = {}
for n, c in ipairs(commits) do answers[n] = refused(c) or "ok" end

-- From here on nothing can fail.
local put, gone, sealed, counted = {}, {}, {}, {} -- put, gone: by the number of the list
local function of(into, name)
    local row = into[name]
    if not row then
        row = {}
        into[name] = row
    end
    return row, #row
end
for n, c in ipairs(commits) do
    if answers[n] == "ok" then
        if c.offer.content ~= "" then
            call("HSET", KEYS[1], c.offer.name, c.offer.content)
            c.offer.content = ""
        end
        for _, r in ipairs(c.records) do
            if r.how ~= "l" then
                local version, first = r.version, r.f1
                if r.how == "a" then
                    local seen = tonumber(ARGV[first + 1])
                    if version == 0 then version = math.floor(seen / 1000 - 1577836800) end -- s since 2020
                    -- A record's instants never go back.
                    if r.seen > seen then first = first + 2 end
                end
                if r.g1 <= r.g2 then call("HDEL", r.key, unpack(ARGV, r.g1, r.g2)) end
                call("HSET", r.key, "v", string.format("%d", version + 1), unpack(ARGV, first, r.f2))
            end
        end
        for i = c.p1, c.p2, 3 do
            local row, last = of(put, ARGV[i])
            row[last + 1], row[last + 2] = ARGV[i + 1], ARGV[i + 2]
        end
        for i = c.g1, c.g2, 2 do
            local row, last = of(gone, ARGV[i])
            row[last + 1] = ARGV[i + 1]
        end
        for i = c.e1, c.e2 do sealed[#sealed + 1] = ARGV[i] end
        if c.counts > 0 then counted[c.counts] = (counted[c.counts] or 0) + 1 end
    end
end
for name, members in pairs(put) do call("ZADD", KEYS[lists + name], unpack(members)) end
for name, members in pairs(gone) do call("ZREM", KEYS[lists + name], unpack(members)) end
-- Counts last: a damaged counter leaves no order without its entry in the journal.
if #sealed > 0 then call("RPUSH", KEYS[2], unpack(sealed)) end
for n = 1, number() do
    local first, last = list(2)
    if counted[n] then
        for i = first, last, 2 do call("HINCRBY", KEYS[lists + tonumber(ARGV[i])], ARGV[i + 1], counted[n]) end
    end
end
return answers

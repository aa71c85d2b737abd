-- Save decisions, each with everything that is written with it, or not at all: any number of commits of a cell at once.
--
-- KEYS  1 unmatched   2-7 due-sets (inbound, activation, three of SMS, timer)   8 journal   9 offers   then the keys that
--       the commits refer to by number: records, inboxes and lists  (all in one slot; some are only named)
-- ARGV  1 one packed value (msgpack). What has nothing to say is left out of it, at every level:
--       now      the instant, ms; left out: the server's
--       offers   those that the commits need, each {name, content, '' when it is believed to be stored}
--       absent   KEYS numbers of the records that were not there when they were looked for
--       commits  of each:
--         records  what it reads and writes, see below
--         op       the identity of this change, which is searched for among the events of the first record
--         guard    no message received by this instant may be unread
--         limit    the instant from which on it is stale: what it rests on is kept elsewhere
--         offer    the number of the offer that it needs
--         holder   which of its records has the effect that is held, and its lease: {number, `<attempt>,<since when>`}
--         inbox    KEYS number of the inbox of the line it is about
--         reads    which of its records has that inbox   consume: key of the message to take from it
--         member   due-set member of that line's `read`   release: this reader lets go of the line
--         beside   the newest yeses of an agent, with which a yes was compared: {KEYS number (hash), SHA-1 of these as
--                  they were read ('-': none; stale where they are others now), as they are kept now, the agent (field)}
--         put      members added to lists: KEYS number, score, member, ...   gone: members removed: KEYS number, member
--         streams  entries added to streams: KEYS number, json, ...   sealed: entries of the journal
--       of each record:
--         key      its KEYS number   how: it is touched: 'e' it exists · 'n' it is new, and is made here · 'a' any: made
--                  where it does not exist; its version begins with the instant, higher than that of one which was
--                  deleted · 'l' it is only read, and stays · 'd' it leaves: it is deleted, and where it is gone this op
--                  was saved before
--         read     the version that was read; left out: it is only stamped
--         ask      effects that are looked at: the held one first, then those that are dropped with care   care: a digit
--                  for each of the latter: 1 only if not begun (neither in flight nor in doubt), 2 only if not in flight
--         set      fields to set: name, value, ...   off: names of fields to delete
--         seen     the instant that its own `seen` is raised to
-- Returns for each commit ok · same (this op was saved before) · stale (another commit, or a lease, was first, or it came
--       too late) · lost (the effect is no longer held, or the message is not next) · offer (it is not stored) · guarded
--       (an unread message forbids it)
--
-- Everything about a commit is checked before its first write: a script is isolated, but never rolled back. Members of
-- lists and entries are written at the end, once for all commits: no check here reads them.

local call, match = redis.call, string.match
local asked, none = cmsgpack.unpack(ARGV[1]), {}
local now, offers = asked.now, asked.offers or none
for _, each in ipairs(offers) do each.known = each[2] ~= "" or call("HEXISTS", KEYS[9], each[1]) == 1 end
local absent, is_absent = {}, {} -- one look at all that were not there, since hardly any of them is there now
for i, key in ipairs(asked.absent or none) do absent[i] = KEYS[key] end
if #absent > 0 and call("EXISTS", unpack(absent)) == 0 then
    for _, key in ipairs(absent) do is_absent[key] = true end
end
local listed, sealed = {}, {} -- listed: by KEYS number, a member's score, or false to remove it
local function of(key)
    local members = listed[key]
    if not members then
        members = {}
        listed[key] = members
    end
    return members
end

local function in_time(limit)
    now = now or tonumber(now_of(""))
    return now < limit
end
-- Of a kept effect: the instant of its lease (0: not leased), whether it is in doubt.
local function lease_of(kept)
    local leased_at, doubts, first_at = match(kept or "", "^%[%d+,(%d+),(%d+),(%d+)")
    return leased_at or "0", (doubts or "0") ~= "0" and first_at ~= "0"
end
local function saved_before(r, op)
    if r.how == "n" then return r.version ~= 0 end -- one id is one placing, by construction
    if r.how == "d" then return r.version == 0 end
    local flat = call("HGETALL", r.key)
    for i = 1, #flat, 2 do
        if match(flat[i], "^e%d+$") and cjson.decode(flat[i + 1])[3] == op then return true end
    end
    return false
end
local function commit(c)
    local records = c.records
    for _, r in ipairs(records) do -- each is read once; of `kept` the first is its version
        local ask = r.ask or {}
        r.key, r.care, r.last = KEYS[r.key], r.care or "", #ask + 1
        r.cares = r.last - #r.care
        if r.seen then ask[r.last] = "seen" end
        r.kept = not is_absent[r.key] and call("HMGET", r.key, "v", unpack(ask)) or none
        r.version = assert(tonumber(r.kept[1] or 0), "a version that is no number")
        r.stood = assert(not r.seen or tonumber(r.kept[r.last + 1] or 0), "an instant that is no number")
    end
    for n, r in ipairs(records) do
        local moved = r.read and r.version ~= r.read
        if moved and n == 1 and c.op and saved_before(r, c.op) then
            -- So that WAITAOF on this connection proves the first write, too.
            if r.how ~= "d" then call("HSET", r.key, "v", r.kept[1]) end
            return "same"
        end
        if moved or r.how == "e" and r.version == 0 then return "stale" end
    end
    if c.limit and not in_time(c.limit) then return "stale" end
    local offer = offers[c.offer]
    if offer and not offer.known then return "offer" end
    local holder = c.holder and records[c.holder[1]]
    if holder and match(holder.kept[2] or "", "^%[(%d+,[1-9]%d*),") ~= c.holder[2] then return "lost" end
    for _, r in ipairs(records) do
        for i = 1, #r.care do
            local leased_at, in_doubt = lease_of(r.kept[r.cares + i])
            if leased_at ~= "0" or in_doubt and string.sub(r.care, i, i) == "1" then return "stale" end
        end
    end
    local inbox, unread, behind = KEYS[c.inbox], none, nil
    if c.guard or c.consume then unread = call("LRANGE", inbox, 0, c.guard and 99 or 1) end
    if c.consume then
        behind = unread[2]
        if match(unread[1] or "", "^%d+|([^|]*)|") ~= c.consume then return "lost" end
    end
    -- The consumed message counts as read; those behind it do not. Where the clock has gone back since the message
    -- before, the instant that orders a message is not its arrival: its last field is (no text can end so).
    for i = c.consume and 2 or 1, c.guard and #unread or 0 do
        local came = match(unread[i], ',"came":(%d+)}$') or match(unread[i], "^(%d+)|")
        if tonumber(came) <= c.guard then return "guarded" end
    end
    local newest, known, kept, agent = unpack(c.beside or none)
    local there = newest and call("HGET", KEYS[newest], agent)
    if newest and (there and redis.sha1hex(there) or "-") ~= known then return "stale" end

    -- From here on nothing can fail.
    if offer and offer[2] ~= "" then
        call("HSET", KEYS[9], offer[1], offer[2])
        offer[2] = ""
    end
    if newest and call("HSET", KEYS[newest], agent, kept) == 1 then call("EXPIRE", KEYS[newest], 172800) end
    local put, gone, done = c.put or none, c.gone or none, nil -- done: member of the read effect that ends here
    if c.consume then
        local line = records[c.reads]
        call("LPOP", inbox)
        if not behind then
            line.off = line.off or {}
            line.off[#line.off + 1] = "f:read"
            done = c.member
        elseif c.release then
            local leased_at = lease_of(holder and holder.kept[2])
            line.set = line.set or {}
            line.set[#line.set + 1], line.set[#line.set + 2] = "f:read", "[]"
            of(2)[c.member] = leased_at -- due since this lease began
        end
    end
    for _, r in ipairs(records) do
        if r.how == "d" then
            call("DEL", r.key)
            is_absent[r.key] = true
        elseif r.how ~= "l" then
            is_absent[r.key] = nil
            local version, set = r.version, r.set or {}
            if r.how == "a" and version == 0 then -- a new version begins with the instant
                version = math.floor((r.seen and r.seen / 1000 or call("TIME")[1]) - 1577836800) -- s since 2020
            end
            if r.seen and r.stood <= r.seen then -- a record's instants never go back
                set[#set + 1], set[#set + 2] = "seen", string.format("%d", r.seen)
            end
            if r.off then call("HDEL", r.key, unpack(r.off)) end
            call("HSET", r.key, "v", string.format("%d", version + 1), unpack(set))
        end
    end
    for i = 1, #put, 3 do of(put[i])[put[i + 2]] = put[i + 1] end
    for i = 1, #gone, 2 do of(gone[i])[gone[i + 1]] = false end
    if done then of(2)[done] = false end
    for _, entry in ipairs(c.sealed or none) do sealed[#sealed + 1] = entry end
    local streams = c.streams or none
    for i = 1, #streams, 2 do call("XADD", KEYS[streams[i]], "*", "m", streams[i + 1]) end
    return "ok"
end

local answers, failed = {}, nil
for n, each in ipairs(asked.commits) do
    local is_done, answer = pcall(commit, each) -- an unreadable record must not stop the other commits
    if not is_done then failed = failed or answer end
    answers[n] = answer
end
local MOST = 4000 -- arguments of one command at most
local function all(command, key, told)
    for n = 1, #told, MOST do call(command, KEYS[key], unpack(told, n, math.min(n + MOST - 1, #told))) end
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
all("RPUSH", 8, sealed)
if failed then return type(failed) == "table" and failed or redis.error_reply(tostring(failed)) end
return answers

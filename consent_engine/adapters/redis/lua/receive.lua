-- Put messages into their lines' inboxes, each once, and put the restrictions they make into force: any number at once.
--
-- KEYS  1 due-set of the inbound lane   2 due-set of the timer lane   3 lifted (stream)   4 unmatched (stream)
--       5 journal   then for each message its line and its inbox
-- ARGV  1 one packed value (msgpack). What has nothing to say is left out of it, at every level:
--       now      the instant, ms; left out: the server's
--       kept     how long (ms) a line is kept on which nothing stands   lasts: how long a suspicion lasts, ms
--       posted   the messages, each with the fields of `Posted` (ports/store.py)
--       entries  for each message that makes restrictions, by its number: for each of these the journal's entry, with %s
--                for the instant, '' where it has none
-- A message that comes under its key later than `same_for` says, or makes a restriction that does not stand (any more, or
-- not as long), is new.
-- A restriction is written, and the line's version raised, here: the next order, dial and activation see it at once.
-- Restrictions that barred consent when a message came are kept with it: lifted later, they still bar that consent.
-- A person's refusal of a number of which nothing is known is in force, and is no message: it has nothing to end. A list
-- of a million numbers would keep the replies behind it waiting.
-- A restriction that begins to stand, for ever, has an entry in the journal, written in this step; any other change of
-- the line leaves a mark there.
-- A message that waited elsewhere until the store was back is treated as at the instant at which it reached us (`came`).
-- A repeated act of the subscriber is written to the restriction that stands: an older act does not lift it.
-- A message stands in the inbox under an instant that orders it: within one line these never go back (`seen`). Where
-- the clock has gone back it is not the instant of arrival: that is in its body, as the last field, `came`.
-- A new line's version begins with the instant (s since 2020): higher than that of a line that was deleted.
-- Returns for each {'stored', 'duplicate' or 'gone' (the suspicion it decides is not as it was seen), received at}

local MOST_WORDS = 4000 -- bytes, encrypted: a message of n bytes has 4/3 n and 48 more
local call, none = redis.call, {}
local asked = cmsgpack.unpack(ARGV[1])
local now = asked.now or tonumber(now_of(""))
local present, said = now, string.format("%d", now)
local due, journal = {}, {}

local function suspected(name) return string.match(name, "^suspected:(.*)$") end
-- An unreadable restriction is written anew: neither a refusal nor other messages sent with it may be lost over it.
local function row_of(line, name)
    local row = row_in(call("HGET", line, "r:" .. name) or "")
    local is_row = row and type(row[1]) == "number" and type(row[4] or 0) == "number"
    is_row = is_row and type(row[2]) == "string" and type(row[3]) == "string"
    is_row = is_row and type(row[7] or 0) == "number" and type(row[9] or 0) == "number"
    return is_row and not over(row, now) and (type(row[6]) == "string" or not suspected(name)) and row
end

local function receive(line, inbox, m, entries)
    local now, said = now, said
    if m.came and m.came < now then now, said = m.came, string.format("%d", m.came) end
    local key, mark, member = m.key, "m:" .. m.key .. ".again", "l:" .. m.line .. ":read"
    local decides, lifting, ends = m.decides, m.lifting, m["until"] or 0
    local sealed = {}
    local function journaled()
        if #sealed == 0 then sealed[1] = "= l " .. m.line end
        for _, entry in ipairs(sealed) do journal[#journal + 1] = entry end
    end
    local wanted = { "seen", "m:" .. key, "f:read", "v" }
    local own = #wanted
    for _, name in ipairs(m.barring or none) do wanted[#wanted + 1] = "r:" .. name end
    local seen = call("HMGET", line, unpack(wanted))
    local came = seen[2] and tonumber(seen[2])
    local marked = came and call("HEXISTS", line, mark) == 1
    local at = seen[1] and tonumber(seen[1]) > now and seen[1] or said

    -- Raised also where only the newest act or the end of a restriction is moved: who has read it may be about to lift or
    -- to delete it.
    local function next_version()
        return string.format("%d", (seen[4] and tonumber(seen[4]) or math.floor(present / 1000) - 1577836800) + 1)
    end
    -- When the subscriber acted, first and last; for a decision on a suspicion, when the suspicious words came.
    local since, last, moved = now, now, false
    local function acted(row, suspicion)
        -- A decision names the newest act that was seen: no two acts may share an instant, even where the clock stood
        -- back.
        local newest = row[4] or row[1]
        row[4] = math.max(last, newest + (suspicion and 1 or 0))
        moved = moved or row[4] ~= newest
        return row
    end
    local function as_long(row) -- whether a restriction stands at least as long as those that this message makes
        local till = row and (row[9] or 0)
        return till and (till == 0 or ends > 0 and till >= ends)
    end
    local names, rows, stand = m.makes or none, {}, true
    for _, name in ipairs(names) do
        rows[name] = row_of(line, name)
        local carrier = suspected(name)
        stand = stand and (as_long(rows[name]) or carrier and as_long(row_of(line, carrier)))
    end
    if came and (not m.same_for or stand and now - came <= m.same_for) then
        call("HSET", line, "m:" .. key, seen[2]) -- so that WAITAOF on this connection proves the first write too
        -- An immediate repeat is our own, over the wire, or says no more than the first; of later ones, one is enough.
        if m.repeated and not marked and now - came >= 60000 then
            call("HSET", line, mark, said)
            local known = string.format('{"why":"%s","line":"%s","key":"%s","message":', m.repeated, m.line, key)
            call("XADD", KEYS[4], "*", "m", known .. m.body .. "}")
        end
        for name, row in pairs(m.same_for and rows or none) do -- it may be a new act
            local kept = row and cjson.encode(acted(row, suspected(name)))
            if kept then call("HSET", line, "r:" .. name, kept) end
        end
        if moved then call("HSET", line, "v", next_version()) end
        if m.same_for then journaled() end
        return { "duplicate", seen[2] }
    end
    if decides then
        local stands = row_of(line, decides)
        if not stands or (stands[4] or stands[1]) ~= (m.decided or 0) then return { "gone", said } end
        since, last = stands[1], stands[4] or stands[1]
    end
    local barred = {}
    for i = own + 1, #wanted do
        if seen[i] and not over(row_in(seen[i]), now) then barred[#barred + 1] = string.sub(wanted[i], 3) end
    end

    -- From here on nothing can fail.
    local fields, fresh, stood = {}, false, nil
    local function set(name, value)
        fields[#fields + 1] = name
        fields[#fields + 1] = value
    end
    local function no_longer_suspected(carrier)
        if call("HDEL", line, "r:suspected:" .. carrier) == 1 then fresh = true end
    end
    for n, name in ipairs(names) do
        local row, carrier = rows[name], suspected(name)
        if entries[n] ~= "" and ends == 0 and (not row or (row[9] or 0) > 0) then
            sealed[#sealed + 1] = string.format(entries[n], said)
        end
        if row then
            stood = stood or string.format("%d", row[1])
            acted(row, carrier)
            if not as_long(row) then row[9], moved = ends, true end -- never earlier
            if carrier and not row[8] and #row[6] < MOST_WORDS then
                row[6] = row[6] .. "\n" .. (m.words or "")
            elseif carrier then -- the newest words, beside the first: a person who decides has seen those of the id
                row[7], row[8] = (row[7] or -1) + 1, m.words or ""
            end
        else
            row, fresh = { since, m.door or "", m.ref or "" }, true
            if ends > 0 then row = { since, m.door or "", m.ref or "", 0, "", "", 0, "", ends } end
            if last > since then row[4] = last end
            if carrier then row[4], row[5], row[6] = row[1], m.reason or "", m.words or "" end
        end
        set("r:" .. name, cjson.encode(row))
        if not carrier then
            if ends == 0 then no_longer_suspected(name) end -- one with an end answers no words that may mean "never"
        elseif call("HSETNX", line, "f:wake.undecided", "[]") == 1 then
            call("ZADD", KEYS[2], now + asked.lasts, "l:" .. m.line .. ":wake.undecided")
        end
    end
    if m.once and stood and not fresh then
        if moved then set("v", next_version()) end
        call("HSET", line, unpack(fields))
        journaled()
        return { "duplicate", stood }
    end
    if decides then no_longer_suspected(suspected(decides)) end -- this message bars until it is read
    if lifting then call("XADD", KEYS[3], "*", "m", lifting) end
    if lifting or not seen[4] and (#names == 0 or ends > 0) then -- nothing stands, or not for ever
        if call("HSETNX", line, "f:wake.line", "[]") == 1 then
            call("ZADD", KEYS[2], now + asked.kept, "l:" .. m.line .. ":wake.line")
        end
    end

    if came then key = key .. "." .. said end -- events are recognised by this key
    if marked then call("HDEL", line, mark) end
    set("seen", at)
    set("m:" .. m.key, said)
    if m.msisdn ~= "" then set("msisdn", m.msisdn) end
    if fresh or moved or not seen[4] then set("v", next_version()) end
    local is_read = seen[4] or not m.once
    if is_read and not seen[3] then set("f:read", "[]") end
    call("HSET", line, unpack(fields))
    journaled()
    if not is_read then return { "stored", said } end
    local stood_against = #barred > 0 and table.concat(barred, " ") .. "|" or ""
    local body = at == said and m.body or string.sub(m.body, 1, -2) .. ',"came":' .. said .. "}"
    call("RPUSH", inbox, at .. "|" .. key .. "|" .. stood_against .. body)
    if not seen[3] then
        due[#due + 1], due[#due + 2] = said, member
    elseif at ~= said and (seen[3] == "[]" or string.match(seen[3], "^%[%d+,0,") and not string.match(seen[3], '",1[,%]]')) then
        call("ZADD", KEYS[1], "LT", said, member) -- listed while the clock stood ahead
    end
    return { "stored", said }
end

local answers, failed = {}, nil
for n, each in ipairs(asked.posted) do
    -- A line that cannot be read must not stop the other messages.
    local is_done, answer = pcall(receive, KEYS[2 * n + 4], KEYS[2 * n + 5], each, (asked.entries or none)[n] or none)
    if not is_done then failed = failed or answer end
    answers[n] = answer
end
if #due > 0 then call("ZADD", KEYS[1], unpack(due)) end
if #journal > 0 then call("RPUSH", KEYS[5], unpack(journal)) end
if failed then return type(failed) == "table" and failed or redis.error_reply(tostring(failed)) end
return answers

-- Put a message into its line's inbox, once, and put the restrictions it makes into force.
--
-- KEYS  1 line   2 its inbox   3 due-set of the inbound lane   4 due-set of the timer lane   5 lifted (stream)
--       6 unmatched (stream)   7 journal
-- ARGV  1 now, '' = ask the server   2 line id   3 number   4 the message's key (its name)   5 its body, json
--       6 names of the restrictions it makes, blank-separated, or ''
--       7 names of the restrictions that bar a consent in it
--       8 the reason under which a repeat is kept as unmatched, '' if it is not   9 for how long the same key is the
--       same message, ms; '' = for ever   10 how long (ms) a line is kept on which nothing stands
--       and only where it makes or decides a restriction: 11 door and 12 ref of these restrictions
--       13 reason and 14 words of a suspicion   15 '1': not stored as a message when its refusal stands already
--       16 how long a suspicion lasts, ms
--       17 name of the suspicion that this message decides, or ''   18 the newest act that the decision considered
--       19 the record of lifting it (json), '' when it is not lifted
--       20 until when the restrictions that it makes stand, 0: for ever
--       21... for each name in 6 the journal's entry, with %s for the instant, '' where it has none
-- A message that comes under its key later than 9 says, or makes a restriction that does not stand (any more, or not as
-- long), is new.
-- A restriction is written, and the line's version raised, here: the next order, dial and activation see it at once.
-- Restrictions that barred consent when a message came are kept with it: lifted later, they still bar that consent.
-- A restriction that begins to stand, for ever, has an entry in the journal, written in this step; any other change of
-- the line leaves a mark there.
-- A repeated act of the subscriber is written to the restriction that stands: an older act does not lift it.
-- A message stands in the inbox under an instant that orders it: within one line these never go back (`seen`). Where
-- the clock has gone back it is not the instant of arrival: that is in its body, as the last field, `came`.
-- A new line's version begins with the instant (s since 2020): higher than that of a line that was deleted.
-- Returns {'stored', 'duplicate' or 'gone' (the suspicion it decides is not as it was seen), received at}

local MOST_WORDS = 2000
local line, sealed = KEYS[1], {}
local now = ARGV[1]
local function journaled()
    if #sealed == 0 then sealed[1] = "= l " .. ARGV[2] end
    redis.call("RPUSH", KEYS[7], unpack(sealed))
end
if now == "" then
    local time = redis.call("TIME")
    now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
end
local decides, lifting = ARGV[17] or "", ARGV[19] or ""
local key, mark = ARGV[4], "m:" .. ARGV[4] .. ".again"
local asked = { "seen", "m:" .. key, "f:read", "v" }
local own = #asked
for name in string.gmatch(ARGV[7], "%S+") do asked[#asked + 1] = "r:" .. name end
local seen = redis.call("HMGET", line, unpack(asked))
local marked = seen[2] and redis.call("HEXISTS", line, mark) == 1
local at = seen[1] and tonumber(seen[1]) > tonumber(now) and seen[1] or now

local function over(kept) -- whether a restriction has ended
    local is_read, row = pcall(cjson.decode, kept)
    local ends = is_read and type(row) == "table" and tonumber(row[9]) or 0
    return ends > 0 and ends <= tonumber(now)
end
local function suspected(name) return string.match(name, "^suspected:(.*)$") end
-- An unreadable restriction is written anew: neither a refusal nor other messages sent with it may be lost over it.
local function row_of(name)
    local kept = redis.call("HGET", line, "r:" .. name) or ""
    local is_read, row = pcall(cjson.decode, kept)
    local is_row = is_read and type(row) == "table" and type(row[1]) == "number" and type(row[4] or 0) == "number"
    is_row = is_row and type(row[2]) == "string" and type(row[3]) == "string"
    is_row = is_row and type(row[7] or 0) == "number" and type(row[9] or 0) == "number"
    return is_row and not over(kept) and (type(row[6]) == "string" or not suspected(name)) and row
end
-- When the subscriber acted, first and last; for a decision on a suspicion, when the suspicious words came.
local since, last = tonumber(now), tonumber(now)
local function acted(row, suspicion)
    -- A decision names the newest act that was seen: no two acts may share an instant, even where the clock stood back.
    row[4] = math.max(last, (row[4] or row[1]) + (suspicion and 1 or 0))
    return row
end
local names, rows, stand, ends = {}, {}, true, tonumber(ARGV[20] or "0")
local function as_long(row) -- whether a restriction stands at least as long as those that this message makes
    local till = row and (row[9] or 0)
    return till and (till == 0 or ends > 0 and till >= ends)
end
for name in string.gmatch(ARGV[6], "%S+") do
    names[#names + 1] = name
    rows[name] = row_of(name)
    local carrier = suspected(name)
    stand = stand and (as_long(rows[name]) or carrier and as_long(row_of(carrier)))
end
if seen[2] and (ARGV[9] == "" or stand and now - seen[2] <= tonumber(ARGV[9])) then
    redis.call("HSET", line, "m:" .. key, seen[2]) -- so that WAITAOF on this connection proves the first write too
    -- An immediate repeat is our own, over the wire, or says no more than the first; of later ones, one is enough.
    if ARGV[8] ~= "" and not marked and now - seen[2] >= 60000 then
        redis.call("HSET", line, mark, now)
        redis.call("XADD", KEYS[6], "*", "m", string.format('{"why":"%s","line":"%s","key":"%s","message":', ARGV[8],
            ARGV[2], key) .. ARGV[5] .. "}")
    end
    for name, row in pairs(ARGV[9] == "" and {} or rows) do -- it may be a new act
        if row then redis.call("HSET", line, "r:" .. name, cjson.encode(acted(row, suspected(name)))) end
    end
    if ARGV[9] ~= "" then journaled() end
    return { "duplicate", seen[2] }
end
if decides ~= "" then
    local stands = row_of(decides)
    local decided = stands and stands[5] == "" -- it has no reason to be read any more
    if not stands or decided or string.format("%d", stands[4] or stands[1]) ~= ARGV[18] then return { "gone", now } end
    since, last = stands[1], stands[4] or stands[1]
end
local barred = {}
for i = own + 1, #asked do
    if seen[i] and not over(seen[i]) then barred[#barred + 1] = string.sub(asked[i], 3) end
end

-- From here on nothing can fail.
local fields, fresh, longer, stood = {}, false, false, nil
local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
end
local function raised() -- also where an end is moved: who read that it is over may be about to delete the restriction
    set("v", string.format("%d", (seen[4] and tonumber(seen[4]) or math.floor(now / 1000) - 1577836800) + 1))
end
local function no_longer_suspected(carrier)
    if redis.call("HDEL", line, "r:suspected:" .. carrier) == 1 then fresh = true end
end
for n, name in ipairs(names) do
    local row, carrier = rows[name], suspected(name)
    if ARGV[20 + n] ~= "" and ends == 0 and (not row or (row[9] or 0) > 0) then
        sealed[#sealed + 1] = string.format(ARGV[20 + n], now)
    end
    if row then
        stood = stood or string.format("%d", row[1])
        acted(row, carrier)
        if not as_long(row) then row[9], longer = ends, true end -- never earlier
        if carrier and not row[8] and #row[6] < MOST_WORDS then
            row[6] = row[6] .. "\n" .. ARGV[14]
        elseif carrier then -- the newest words, beside the first: a person who decides has seen those of the id
            row[7], row[8] = (row[7] or -1) + 1, ARGV[14]
        end
    else
        row, fresh = { since, ARGV[11], ARGV[12] }, true
        if ends > 0 then row = { since, ARGV[11], ARGV[12], 0, "", "", 0, "", ends } end
        if last > since then row[4] = last end
        if carrier then row[4], row[5], row[6] = row[1], ARGV[13], ARGV[14] end
    end
    set("r:" .. name, cjson.encode(row))
    if not carrier then
        if ends == 0 then no_longer_suspected(name) end -- one with an end answers no words that may mean "never"
    elseif redis.call("HSETNX", line, "f:wake.undecided", "[]") == 1 then
        redis.call("ZADD", KEYS[4], now + ARGV[16], "l:" .. ARGV[2] .. ":wake.undecided")
    end
end
if ARGV[15] == "1" and stood and not fresh then
    if longer then raised() end
    redis.call("HSET", line, unpack(fields))
    journaled()
    return { "duplicate", stood }
end
local decided = decides ~= "" and row_of(decides) -- none where a refusal of calls has taken its place
if lifting ~= "" then
    no_longer_suspected(suspected(decides))
    redis.call("XADD", KEYS[5], "*", "m", lifting)
elseif decided then -- a doubt of one order bars it until this message ends that
    decided[5] = ""
    set("r:" .. decides, cjson.encode(decided))
end
if lifting ~= "" or not seen[4] and (#names == 0 or ends > 0) then -- nothing stands, or not for ever
    if redis.call("HSETNX", line, "f:wake.line", "[]") == 1 then
        redis.call("ZADD", KEYS[4], now + ARGV[10], "l:" .. ARGV[2] .. ":wake.line")
    end
end

if seen[2] then key = key .. "." .. now end -- events are recognised by this key
if marked then redis.call("HDEL", line, mark) end
set("seen", at)
set("m:" .. ARGV[4], now)
if ARGV[3] ~= "" then set("msisdn", ARGV[3]) end
if fresh or longer or not seen[4] then raised() end
if not seen[3] then set("f:read", "[]") end
redis.call("HSET", line, unpack(fields))
journaled()
local stood_against = #barred > 0 and table.concat(barred, " ") .. "|" or ""
local body = at == now and ARGV[5] or string.sub(ARGV[5], 1, -2) .. ',"came":' .. now .. "}"
redis.call("RPUSH", KEYS[2], at .. "|" .. key .. "|" .. stood_against .. body)
if not seen[3] then
    redis.call("ZADD", KEYS[3], now, "l:" .. ARGV[2] .. ":read")
elseif at ~= now and (seen[3] == "[]" or string.match(seen[3], "^%[%d+,0,") and not string.match(seen[3], '",1[,%]]')) then
    redis.call("ZADD", KEYS[3], "LT", now, "l:" .. ARGV[2] .. ":read") -- listed while the clock stood ahead
end
return { "stored", now }

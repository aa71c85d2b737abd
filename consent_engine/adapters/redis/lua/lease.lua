-- Lease up to n due effects of one lane to a worker, the oldest of all its due-sets first.
--
-- KEYS  due-sets: that of the lane; of SMS those of the carriers whose gateway has free places   the last one, for a
--       gateway: the hash of the rates
-- ARGV  1 now, '' = ask the server   2 n   3 length of the lease, ms   4 prefix of the records' names
--       5 how many unread messages of a line to hand out
--       6 names of the restrictions that bar an activation, `{}` for the carrier that it names, `[]` for the plan, `<>`
--       for the order
--       7 '' in a lane of calls; else names of the effects that are handed out together though their leases were lost
--       8 a gateway, after `away ` while it is away   9 its rate: SMS a second at most, 0: none is set   10 '1' if it
--       has just answered that these are too many   11 how many cells share its rate   12 the other gateways, each in
--       quotes with its rate, which is -1 while it is away or paused   13 and more: '1' for a due-set whose SMS go to
--       another one while it is away
-- Record keys are built from due members: they carry the same tag, so the same slot. While that slot is moved key by
-- key, any of them may be elsewhere, and reading it is an error. So everything of a member is read before its first
-- write, and where one cannot be read, those before it are leased and it is left untouched; if it is the first, the
-- error is the answer.
-- A member is `<kind of record>:<id>:<effect>` (o order, l line, c call, e ending, r report); the score of a leased one
-- is set to the lease's end.
-- An effect is kept as [attempts, leased at, doubts, first at, last at, gateway, ...]; only these six change here. An
-- SMS in doubt stays with its gateway: whichever other one it is leased for, it is handed out for its own, whose rate
-- counts it (what that has learnt from too many does not), or put off while that is away or paused. One that a gateway
-- which is away was tried with in vain is left to another one that is there.
-- An effect whose stamp is still set lost its lease: its worker died or was too slow. It is handed out with the mark
-- `lost`, and its last_at and first_at stay those of the call that may have been made. In a lane without calls it is
-- handed out alone: if it is what its worker died of, no other effect is lost with it again.
-- An activation that has not begun is not leased while its line has unread messages, any of which may take it back, or
-- parts of a reply whose others are still to come: it is due again in a second (in a minute where messages are parked or
-- set aside, for a person). Nor is one that a restriction on its line bars: that is no attempt; it is due again in a
-- minute, and handed out with the mark `barred` and the names of the restrictions. (One in doubt has begun; doubts
-- settled because the BSS knows of no attempt leave no first_at.)
-- A gateway's rate is kept as one instant: that at which its next SMS would go out if all were evenly spaced. An SMS may
-- go out so much earlier (BURST_FOR) that a worker which comes late loses nothing; the spaces are longer by as much as
-- that adds in a second, so no second has more SMS than the rate. An instant that is further ahead than a lease can have
-- left it means that the clock was set back: then it counts as the furthest. Too many: the rate is halved, once a second
-- at most, and every STEP_EVERY raised by a tenth of what it was set to. A gateway without a rate has one while it is
-- less than UNSET: what too many left of that, raised by a tenth of itself.
-- Returns {now, ms until more can be leased or 0, rate now or 0, {member, effect as kept, '1' if lost or '2' if barred,
-- record, unread or names, last_at before this lease (none where it is barred)}, ...}

local ROOMS = { o = "order:", l = "line:", c = "call:", e = "end:", r = "report:" }
local BARRED_FOR, UNREAD_FOR, ELSEWHERE_FOR = 60000, 1000, 5000 -- ms
local BURST_FOR, LOOK_AFTER, HALVED_FOR, STEP_EVERY = 20, 5, 1000, 10000 -- ms
local UNSET = 1000 -- SMS a second, of all cells

local call, match = redis.call, string.match
local now = ARGV[1]
local exact = tonumber(now) -- in ms, with fractions
if now == "" then
    local time = call("TIME")
    exact = time[1] * 1000 + time[2] / 1000
    now = string.format("%d", math.floor(exact))
end
local at, prefix = tonumber(now), ARGV[4]
local deadline = string.format("%d", at + tonumber(ARGV[3]))
local NONE = 3 -- how long the answer is while nothing is leased
local leased, sets, from = { now, 0, 0 }, {}, nil -- from: the due-set of the member at hand
local most, mine = tonumber(ARGV[2]), '"' .. match(ARGV[8] or "", "%S*$") .. '"'
local taken, put_off = 0, false -- how many are for that gateway; whether any is left to another one
local rates, set, next_at, cap, changed, space, moved = ARGV[8] and table.remove(KEYS), nil, nil, nil, nil, nil, nil
local bucket = rates and (call("HGET", rates, ARGV[8]) or (ARGV[9] ~= "0" or ARGV[10] == "1") and "0 0 0")
if bucket then
    set = tonumber(ARGV[9])
    local whole = set > 0 and set or UNSET / ARGV[11]
    next_at, cap, changed = match(bucket, "^(%S+) (%S+) (%S+)$")
    next_at, cap, changed = tonumber(next_at), tonumber(cap), math.min(tonumber(changed), exact)
    if cap > 0 then -- it has learnt one
        local steps = math.floor((exact - changed) / STEP_EVERY)
        cap = set > 0 and cap + steps * set / 10 or cap * 1.1 ^ steps
        changed = changed + steps * STEP_EVERY
    end
    if cap <= 0 or cap >= whole then cap, changed = whole, 0 end
    if ARGV[10] == "1" and exact - changed >= HALVED_FOR then cap, changed = math.max(cap / 2, 1), exact end
    space = (1000 + BURST_FOR) / cap
    moved = next_at > exact + BURST_FOR + space or ARGV[10] == "1"
    next_at = math.max(exact, math.min(next_at, exact + BURST_FOR + space))
    most = math.max(0, math.min(most, math.floor((exact + BURST_FOR - next_at) / space) + 1))
    leased[3] = (set > 0 or changed > 0) and math.floor(cap) or 0
end
for i, key in ipairs(KEYS) do
    local rows = call("ZRANGEBYSCORE", key, "-inf", now, "WITHSCORES", "LIMIT", 0, most)
    sets[i] = { key = key, rows = rows, at = 1, scores = {}, gone = {}, spared = ARGV[12 + i] == "1" }
end
local function awaits_parts(line) -- of a reply; one that is whole, or was given up, is only known for a day
    if redis.call("HEXISTS", line, "f:wake.parts") == 0 then return false end
    local fields = redis.call("HGETALL", line)
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 2) == "p:" then
            local row = row_in(fields[i + 1])
            if not row or row[6] == 0 then return true end
        end
    end
    return false
end
local function oldest() -- the next member of all due-sets
    from = nil
    for _, set in ipairs(sets) do
        set.due = tonumber(set.rows[set.at + 1])
        if set.due and not (from and from.due <= set.due) then from = set end
    end
    if not from then return nil end
    from.at = from.at + 2
    return from.rows[from.at - 2]
end
local function scored(score, member)
    local n = #from.scores
    from.scores[n + 1], from.scores[n + 2] = score, member
end
local function line_of(record)
    for i = 1, #record, 2 do
        if record[i] == "line" then return prefix .. "line:" .. record[i + 1] end
    end
end
-- A question's instant is never before the newest on its line, and later than that where the clock has gone back: so
-- messages from before the question are told from its answers.
local function asked_at(record)
    local line = line_of(record)
    local seen = line and call("HGET", line, "seen")
    seen = seen and tonumber(seen) or 0
    if seen <= at then return now end
    seen = string.format("%d", seen + 1)
    call("HSET", line, "seen", seen)
    return seen
end
local against = {} -- by carrier and plan: the fields of the restrictions that bar it, and the own ones, of one order
local function barring(line, about, id)
    local found = {}
    local fields = against[about]
    if not fields then
        fields = { own = {} }
        against[about] = fields
        local carrier, plan = match(about, '^([^"]*)"?,?"?([^"]*)$')
        local names = string.gsub(string.gsub(ARGV[6], "{}", carrier), "%[%]", plan)
        for name in string.gmatch(names, "%S+") do
            local kind = string.find(name, "<>", 1, true) and fields.own or fields
            kind[#kind + 1] = "r:" .. name
        end
        fields.n = #fields
    end
    for n, name in ipairs(fields.own) do fields[fields.n + n] = (string.gsub(name, "<>", id)) end
    for i, stands in ipairs(call("HMGET", line, unpack(fields))) do
        if stands and not over(row_in(stands), at) then found[#found + 1] = string.sub(fields[i], 3) end
    end
    return found
end
local function goes(gateway, rate) -- an SMS of another gateway
    if rate <= 0 then return rate == 0 end
    local apart, name = (1000 + BURST_FOR) / rate, string.sub(gateway, 2, -2)
    local free_at, learnt = match(call("HGET", rates, name) or "0 0 0", "^(%S+)(.*)$")
    free_at = math.max(exact, math.min(tonumber(free_at), exact + BURST_FOR + apart))
    if free_at > exact + BURST_FOR then return false end
    call("HSET", rates, name, string.format("%.3f%s", free_at + apart, learnt))
    return true
end
local nothing = {}
-- Lease a member; returns 'alone' for one with which nothing else is leased, 'later' for such a one that is left.
local function take(member)
    local owner, id, effect = match(member, "^(%a):([^:]+):(.+)$")
    local key = prefix .. (ROOMS[owner] or "line:") .. (id or "")
    local field = "f:" .. (effect or "")
    local record, kept = effect and call("HGETALL", key) or {}, nil
    for i = 1, #record, 2 do
        if record[i] == field then
            kept = i + 1
            break
        end
    end
    if not kept then
        from.gone[#from.gone + 1] = member -- dropped with its order: no longer wanted
    else
        local text = record[kept] == "[]" and '[0,0,0,0,0,"","","",0]' or record[kept]
        local attempts, stamp, doubts, first_at, last_at, gateway, rest =
            match(text, '^%[(%d+),(%d+),(%d+),(%d+),(%d+),("[^"]*")(,.*%])$')
        local about = effect ~= "activate" and "" or match(text, ',%["([^%[%]]*)"%]%]$')
        if not (attempts and about) then
            scored("+inf", member) -- one unreadable effect must not stop its lane
        else
            local lost, more = stamp ~= "0", nothing
            local alone = lost and ARGV[7] ~= "" and not string.find(ARGV[7], " " .. effect .. " ", 1, true)
            if alone and #leased > NONE then return "later" end
            local begun = lost or doubts ~= "0" and first_at ~= "0"
            local rate = begun and not lost and tonumber(match(ARGV[12] or "", gateway .. "(%-?%d+)") or "")
            local line = effect == "activate" and not begun and line_of(record)
            if line then more = barring(line, about, id) end
            local unread = line and (call("HGET", line, "f:wake.aside") or call("HGET", line, "f:read"))
            local parts = line and awaits_parts(line)
            if #more > 0 or unread or parts then
                local parked = match(unread or "", '",1[,%]]') -- it waits for a person
                local soon = not parked and (unread or #more == 0)
                scored(string.format("%d", at + (soon and UNREAD_FOR or BARRED_FOR)), member)
                if #more > 0 and not unread then leased[#leased + 1] = { member, text, "2", record, more } end
            elseif rate and not goes(gateway, rate) then
                scored(string.format("%d", at + ELSEWHERE_FOR), member)
                put_off = true
            elseif not (from.spared and not begun and attempts ~= "0" and gateway == mine) then
                if effect == "read" then more = call("LRANGE", prefix .. "inbox:" .. id, 0, ARGV[5] - 1) end
                local called_at = last_at
                if gateway == mine or not (lost or rate) then gateway, taken = mine, taken + 1 end
                if not lost then
                    last_at = string.sub(effect, 1, 17) == "sms.confirmation." and asked_at(record) or now
                    if doubts == "0" then first_at = last_at end
                end
                text = "[" .. attempts + 1 .. "," .. now .. "," .. doubts .. "," .. first_at .. "," .. last_at
                text = text .. "," .. gateway .. rest
                record[kept] = text
                call("HSET", key, field, text)
                scored(deadline, member)
                leased[#leased + 1] = { member, text, lost and "1" or "0", record, more, called_at }
                if alone then return "alone" end
            end
        end
    end
end
local left = most
for n = 1, most do
    local member = oldest()
    if not member then break end
    left = left - 1
    local is_done, why = pcall(take, member)
    if not is_done then
        if n == 1 then return type(why) == "table" and why or redis.error_reply(tostring(why)) end
        break
    end
    if why then break end
end
for _, set in ipairs(sets) do
    if #set.scores > 0 then call("ZADD", set.key, unpack(set.scores)) end
    if #set.gone > 0 then call("ZREM", set.key, unpack(set.gone)) end
end
if put_off and left == 0 then leased[2] = LOOK_AFTER end -- more may be due behind them
if bucket and ARGV[2] ~= "0" then -- who asks for nothing only looks
    next_at = next_at + taken * space
    if set == 0 and changed == 0 then
        call("HDEL", rates, ARGV[8]) -- it is as if it had never had too many
    elseif taken > 0 or moved then
        call("HSET", rates, ARGV[8], string.format("%.3f %.3f %.3f", next_at, changed > 0 and cap or 0, changed))
    end
    if left == 0 and most < tonumber(ARGV[2]) then -- more may be due
        leased[2] = math.max(LOOK_AFTER, math.ceil(next_at - BURST_FOR - exact))
    end
end
return leased

-- Make the SMS that are in doubt at one gateway due sooner, or all effects of a lane that were tried and surely not taken.
-- Leased ones and all others stay.
--
-- KEYS  1 due-set of the lane
-- ARGV  1 the new due instant   2 the latest due instant that is examined   3 the gateway whose doubtful SMS these are, '' = none
--       4 prefix of the records' names   5 how many effects are skipped   6 how many are examined
--       7 over how long (ms), until the new due instant, they are spread: as many as are examined, evenly
-- Record keys are built from due members: they carry the same tag, so the same slot. Unreadable effects stay unchanged.
-- An effect is kept as [attempts, leased at, doubts, first at, last at, gateway, ...]; one with doubts and a first_at may
-- have been taken. Returns {examined, made due}.

local ROOMS = { o = "order:", l = "line:", c = "call:", e = "end:", r = "report:" }
local rows = redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. ARGV[1], ARGV[2], "LIMIT", ARGV[5], ARGV[6])
local sooner = {}
for _, member in ipairs(rows) do
    local owner, id, effect = string.match(member, "^(%a):([^:]+):(.+)$")
    local kept = ROOMS[owner or ""] and redis.pcall("HGET", ARGV[4] .. ROOMS[owner] .. id, "f:" .. effect)
    local row = '^%[(%d+),0,(%d+),(%d+),%d+,"([^"]*)"'
    local attempts, doubts, first_at, gateway = string.match(type(kept) == "string" and kept or "", row)
    local doubtful = attempts and doubts ~= "0" and first_at ~= "0"
    local wanted = attempts and attempts ~= "0" and not doubtful
    if ARGV[3] ~= "" then wanted = doubtful and gateway == ARGV[3] end
    if wanted then
        local share = 1 - #sooner / 2 / tonumber(ARGV[6])
        sooner[#sooner + 1] = string.format("%.0f", tonumber(ARGV[1]) - tonumber(ARGV[7]) * share)
        sooner[#sooner + 1] = member
    end
end
if #sooner > 0 then redis.call("ZADD", KEYS[1], "XX", unpack(sooner)) end
return { #rows, #sooner / 2 }

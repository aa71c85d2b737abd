-- Make effects of one lane that wait for one reason due sooner; leased ones, and those with another reason, stay.
--
-- KEYS  1 due-set of the lane
-- ARGV  1 the new due instant   2 the latest due instant that is examined   3 the reason, as its effect has it
--       4 prefix of the records' names   5 how many effects are skipped   6 how many are examined
-- Record keys are built from due members: they carry the same tag, so the same slot. Unreadable effects stay unchanged.
-- An effect is kept as [attempts, leased at, doubts, first at, last at, why, ...]. Returns {examined, made due}.

local ROOMS = { o = "order:", l = "line:", c = "call:", e = "end:", r = "report:" }
local rows = redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. ARGV[1], ARGV[2], "LIMIT", ARGV[5], ARGV[6])
local sooner = {}
for _, member in ipairs(rows) do
    local owner, id, effect = string.match(member, "^(%a):([^:]+):(.+)$")
    local kept = ROOMS[owner or ""] and redis.pcall("HGET", ARGV[4] .. ROOMS[owner] .. id, "f:" .. effect)
    local why = type(kept) == "string" and string.match(kept, '^%[%d+,0,%d+,%d+,%d+,"([^"]*)"')
    if why == ARGV[3] then
        sooner[#sooner + 1] = ARGV[1]
        sooner[#sooner + 1] = member
    end
end
if #sooner > 0 then redis.call("ZADD", KEYS[1], "XX", unpack(sooner)) end
return { #rows, #sooner / 2 }

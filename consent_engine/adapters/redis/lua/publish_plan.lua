-- Make a version of a plan the current one, or change whether it is on sale.
--
-- KEYS  1 the plan's record   2 codes (set)   3 meta   4 proposals
-- ARGV  1 code   2 version   3 the plan, json   4 sale
--       5 the version that is replaced, as it was read, '' for none   6 its sale
--       7 when it became known, in ms; '' = now
--       8 the proposal that is approved, as it was read, '' for none   9 the names of its proposer and its approver
--       10... the last look at each of its addresses: a field and its value
-- Returns 'ok', 'stale' when another caller changed the plan meanwhile, or 'replaced' for its proposal. A repeat is recognised; one that arrives
-- late changes nothing. A version that was current once is never overwritten.

local stands = redis.call("HMGET", KEYS[1], "current", "sale", ARGV[2])
local current, sale, kept = stands[1] or "", stands[2] or "", stands[3]
local said_before = current == ARGV[2] and sale == ARGV[4] and kept == ARGV[3]
if not said_before then
    if current ~= ARGV[5] or sale ~= ARGV[6] then return "stale" end
    if current == ARGV[2] and kept ~= ARGV[3] then return "stale" end
    if ARGV[8] ~= "" and redis.call("HGET", KEYS[4], ARGV[1]) ~= ARGV[8] then return "replaced" end
end
redis.call("HSET", KEYS[1], ARGV[2], ARGV[3], "current", ARGV[2], "sale", ARGV[4])
if not said_before then
    redis.call("HSET", KEYS[1], "at:" .. ARGV[2], now_of(ARGV[7]) .. "|" .. ARGV[4])
    for i = 10, #ARGV - 1, 2 do
        redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1])
    end
    if ARGV[8] ~= "" then
        redis.call("HSET", KEYS[1], "by:" .. ARGV[2], ARGV[9])
        redis.call("HDEL", KEYS[4], ARGV[1])
    end
end
redis.call("SADD", KEYS[2], ARGV[1])
redis.call("HINCRBY", KEYS[3], "catalogue", 1)
return "ok"

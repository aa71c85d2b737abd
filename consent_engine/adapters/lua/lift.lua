-- Lift a refusal: the subscriber's own act undoes it, and the act is kept.
--
-- KEYS  1 line   2 refusals (zset)   3 lifted (stream)
-- ARGV  1 line id   2 carrier or *   3 what is kept: who, when, which act (json)
--       4 since when the refusal stands that is meant   5 among how many of the newest acts a repeat is looked for
-- Raises the line's version, so that nobody admits on what was read before.
-- Returns 1, or 0 when that refusal does not stand: a newer one is not lifted by an older act.

for _, entry in ipairs(redis.call("XREVRANGE", KEYS[3], "+", "-", "COUNT", ARGV[5])) do
    if entry[2][2] == ARGV[3] then
        -- So that WAITAOF on this connection proves the first write too; the line may be gone, and must stay so.
        redis.call("XDEL", KEYS[3], redis.call("XADD", KEYS[3], "*", "m", ""))
        return 1
    end
end
local stands = redis.call("HGET", KEYS[1], "r:" .. ARGV[2])
if not stands or string.match(stands, "^%[(%d+),") ~= ARGV[4] then return 0 end
redis.call("HDEL", KEYS[1], "r:" .. ARGV[2])
redis.call("HINCRBY", KEYS[1], "v", 1)
redis.call("ZREM", KEYS[2], ARGV[1] .. " " .. ARGV[2])
redis.call("XADD", KEYS[3], "*", "m", ARGV[3])
return 1

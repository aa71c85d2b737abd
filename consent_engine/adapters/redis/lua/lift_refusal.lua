-- Lift a refusal: the subscriber's own act undoes it, and the act is kept.
--
-- KEYS  1 line   2 refusals (zset)   3 lifted (stream)   4 due-set of the timer lane
-- ARGV  1 line id   2 carrier or *   3 what is kept: who, when, which act (json)
--       4 the instant of the act   5 among how many of the newest acts a repeat is looked for
--       6 how long (ms) a line that nothing stands on is kept
-- An act lifts only what is not newer than itself: the newest act of the subscriber counts, looked at in this script.
-- Raises the line's version, so that nobody admits on what was read before.
-- Returns 'ok', 'none' (no such refusal stands) or 'newer' (it stands for a newer act)

for _, entry in ipairs(redis.call("XREVRANGE", KEYS[3], "+", "-", "COUNT", ARGV[5])) do
    if entry[2][2] == ARGV[3] then
        -- So that WAITAOF on this connection proves the first write too; the line may be gone, and must stay so.
        redis.call("XDEL", KEYS[3], redis.call("XADD", KEYS[3], "*", "m", ""))
        return "ok"
    end
end
local kept = redis.call("HGET", KEYS[1], "r:" .. ARGV[2])
if not kept then return "none" end
local row = cjson.decode(kept)
if (row[4] or row[1]) > tonumber(ARGV[4]) then return "newer" end
redis.call("HDEL", KEYS[1], "r:" .. ARGV[2])
redis.call("HINCRBY", KEYS[1], "v", 1)
redis.call("ZREM", KEYS[2], ARGV[1] .. " " .. ARGV[2])
redis.call("XADD", KEYS[3], "*", "m", ARGV[3])
if redis.call("HSETNX", KEYS[1], "f:wake.line", "[]") == 1 then
    redis.call("ZADD", KEYS[4], ARGV[4] + ARGV[6], "l:" .. ARGV[1] .. ":wake.line")
end
return "ok"

-- Lift a refusal by the subscriber's own act, and keep that act.
--
-- KEYS  1 line   2 lifted (stream)   3 due-set of the timer lane   4 journal
-- ARGV  1 line id   2 carrier or *   3 the record of the act: who, when, which act (json)
--       4 the instant of the act   5 among how many of the newest acts a repeat is searched for
--       6 how long (ms) a line is kept on which nothing stands   7 the journal's entry, '' for a mark
-- An act lifts only a refusal that is not newer: the subscriber's newest act counts, compared in this script.
-- Raises the line's version, so that no order is admitted on an earlier reading.
-- One with an end has no entry where it begins, and one here: the log may have one without an end that was lost.
-- Returns 'ok', 'none' (no such refusal stands), 'newer' (it stands for a newer act) or 'damaged' (nobody can say since
-- when it stands: nothing is lifted)

for _, entry in ipairs(redis.call("XREVRANGE", KEYS[2], "+", "-", "COUNT", ARGV[5])) do
    if entry[2][2] == ARGV[3] then
        -- So that WAITAOF on this connection proves the first write too; the line may be gone, and must stay gone.
        redis.call("XDEL", KEYS[2], redis.call("XADD", KEYS[2], "*", "m", ""))
        return "ok"
    end
end
local kept = redis.call("HGET", KEYS[1], "r:" .. ARGV[2])
if not kept then return "none" end
local is_read, row = pcall(cjson.decode, kept)
local acted = is_read and type(row) == "table" and (row[4] or row[1])
if type(acted) ~= "number" then return "damaged" end
if acted > tonumber(ARGV[4]) then return "newer" end
redis.call("HDEL", KEYS[1], "r:" .. ARGV[2])
redis.call("HINCRBY", KEYS[1], "v", 1)
redis.call("XADD", KEYS[2], "*", "m", ARGV[3])
redis.call("RPUSH", KEYS[4], ARGV[7] ~= "" and ARGV[7] or "= l " .. ARGV[1])
if redis.call("HSETNX", KEYS[1], "f:wake.line", "[]") == 1 then
    redis.call("ZADD", KEYS[3], ARGV[4] + ARGV[6], "l:" .. ARGV[1] .. ":wake.line")
end
return "ok"

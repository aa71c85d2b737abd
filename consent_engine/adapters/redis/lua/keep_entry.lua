-- Keep an entry of a stream, once: an unmatched message, the answer to a request for permits, or a reveal.
--
-- KEYS  1 the stream
-- ARGV  1 the entry, json   2 among how many of the newest entries a repeat is searched for   3 about how many entries
--       are kept; left out: all
-- Returns 1, or 0 when it is among them: a repeat of our own, or of the gateway's.

for _, entry in ipairs(redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", ARGV[2])) do
    if entry[2][2] == ARGV[1] then
        -- So that WAITAOF on this connection proves the first write too.
        redis.call("XDEL", KEYS[1], redis.call("XADD", KEYS[1], "*", "m", ""))
        return 0
    end
end
if ARGV[3] then
    redis.call("XADD", KEYS[1], "MAXLEN", "~", ARGV[3], "*", "m", ARGV[1])
else
    redis.call("XADD", KEYS[1], "*", "m", ARGV[1])
end
return 1

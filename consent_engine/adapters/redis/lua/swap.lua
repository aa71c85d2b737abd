-- Change a field of a hash if it is still as it was read, and what goes with it; or nothing.
--
-- KEYS  1 the hash   2... the due-sets of which one has an effect that is parked by this, left out for none
-- ARGV  1 the field   2 as it was read, '' = it is not there   3 as it is to be, '' = it is deleted
--       4 the member of that due-set   5... further fields of the hash, each with its value
-- A repeat is recognised by the field, and changes nothing else.
-- Returns 1, or 0 where the field is neither as it was read nor as it is to be: another came first.

local stands = redis.call("HGET", KEYS[1], ARGV[1]) or ""
if stands ~= ARGV[2] and stands ~= ARGV[3] then return 0 end
if ARGV[3] == "" then
    redis.call("HDEL", KEYS[1], ARGV[1])
else
    redis.call("HSET", KEYS[1], ARGV[1], ARGV[3]) -- a repeat, too: so that WAITAOF on this connection proves the first write
end
if stands ~= ARGV[3] and #ARGV > 4 then redis.call("HSET", KEYS[1], unpack(ARGV, 5)) end
for i = 2, #KEYS do redis.call("ZADD", KEYS[i], "XX", "+inf", ARGV[4]) end
return 1

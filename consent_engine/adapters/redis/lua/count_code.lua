-- Count a code of the public door of reports, unless as many were asked for as are allowed: checked and counted in one
-- step, so that concurrent requests get no more than consecutive ones.
--
-- KEYS  1 the codes of this hour (hash)
-- ARGV  1 the network that asks, as a keyed hash   2 how many codes all networks have together   3 the number of codes
--       sent from which on one network gets fewer   4 how many one network has before that   5 and from then on
--       6 how long the counts are kept (s)
-- Returns 'ok', 'network' where that has used its share (nothing is counted), 'all' where all are used up. Only the
-- first request after all are used up is counted, which shows in the figure that operators watch.

local call = redis.call
local seen = call("HMGET", KEYS[1], "asked", ARGV[1])
local sent, to_it, most = tonumber(seen[1] or "0"), tonumber(seen[2] or "0"), tonumber(ARGV[2])
if sent > most then return "all" end
if to_it >= tonumber(sent < tonumber(ARGV[3]) and ARGV[4] or ARGV[5]) then return "network" end
call("HINCRBY", KEYS[1], "asked", 1)
call("HINCRBY", KEYS[1], ARGV[1], 1)
call("EXPIRE", KEYS[1], ARGV[6])
return sent + 1 > most and "all" or "ok"

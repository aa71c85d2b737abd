-- Append entries to a list or a stream that data are moved to: once, however often and however late this is sent.
--
-- KEYS  1 the list or stream
-- ARGV  1 how many entries were copied to it before   2 how many these are
--       then the entries of a list; of a stream, for each its id and its message
-- Returns 1, or 0 when it has them already; -1 where it lacks entries that were copied before: nothing is appended

local call = redis.call
local before, count = tonumber(ARGV[1]), tonumber(ARGV[2])
local of_stream = #ARGV > 2 + count
local length = call(of_stream and "XLEN" or "LLEN", KEYS[1])
if length >= before + count then return 0 end
if length ~= before then return -1 end
for i = 3, #ARGV, of_stream and 2 or 1 do
    if of_stream then
        call("XADD", KEYS[1], ARGV[i], "m", ARGV[i + 1])
    else
        call("RPUSH", KEYS[1], ARGV[i])
    end
end
return 1

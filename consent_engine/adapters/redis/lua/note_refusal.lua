-- Have the journal say that a restriction stands, or was lifted, where the log lacks that.
--
-- KEYS  1 line   2 journal
-- ARGV  1 the restriction's field   2 the journal's entry, with %s for the instant of a beginning
--       3 now, '' = ask the server   4 '1' where the entry is a lifting's
-- A repeat adds an entry that says the same once more. One with an end has no beginning in the log, and is none.
-- Returns 1, or 0 where the restriction does not stand without an end; of a lifting: where it does, or is damaged

local kept = redis.call("HGET", KEYS[1], ARGV[1])
local is_read, row = pcall(cjson.decode, kept or "")
is_read = kept and is_read and type(row) == "table"
local ends = is_read and (tonumber(row[9]) or 0) > 0
if ARGV[4] == "1" and kept and not ends or ARGV[4] ~= "1" and (not is_read or ends) then return 0 end
local now, time = ARGV[3], redis.call("TIME")
if now == "" then now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000)) end
redis.call("RPUSH", KEYS[2], string.format(ARGV[2], now))
return 1

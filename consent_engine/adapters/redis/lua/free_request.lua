-- Delete a reservation, if it is of this order or of this claimant: its order is in the archive, which knows the key,
-- too; or the request was refused at the door, and such a refusal reserves nothing.
--
-- KEYS  1 the reservation: fingerprint|order|claimant|instant
-- ARGV  1 the order, '' = any   2 the claimant, '' = any
-- Returns 1 if it was and is gone, else 0

local order, claimant = string.match(redis.call("GET", KEYS[1]) or "", "^[^|]*|([^|]*)|([^|]*)|")
if not order or ARGV[1] ~= "" and ARGV[1] ~= order or ARGV[2] ~= "" and ARGV[2] ~= claimant then return 0 end
return redis.call("DEL", KEYS[1])

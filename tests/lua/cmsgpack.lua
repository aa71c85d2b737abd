-- MessagePack for the Lua of a fakeredis, which has none: unpack alone, as the scripts use it.
-- https://github.com/msgpack/msgpack/blob/master/spec.md; no extension types.

local byte, sub = string.byte, string.sub

local function unsigned(text, at, size)
    local number = 0
    for i = at, at + size - 1 do number = number * 256 + byte(text, i) end
    return number
end

local function signed(text, at, size)
    local number, limit = unsigned(text, at, size), 2 ^ (8 * size - 1)
    return number < limit and number or number - 2 * limit
end

local function double(text, at)
    local high, low = unsigned(text, at, 4), unsigned(text, at + 4, 4)
    local sign = high >= 2 ^ 31 and -1 or 1
    local exponent = math.floor(high / 2 ^ 20) % 2048
    local fraction = (high % 2 ^ 20) * 2 ^ 32 + low
    if exponent == 0 then return sign * fraction * 2 ^ -1074 end
    if exponent == 2047 then return fraction == 0 and sign / 0 or 0 / 0 end
    return sign * (1 + fraction / 2 ^ 52) * 2 ^ (exponent - 1023)
end

local read

local function array(text, at, count)
    local values = {}
    for i = 1, count do values[i], at = read(text, at) end
    return values, at
end

local function map(text, at, count)
    local values = {}
    for _ = 1, count do
        local key, value
        key, at = read(text, at)
        value, at = read(text, at)
        values[key] = value
    end
    return values, at
end

local function bytes(text, at, count) return sub(text, at, at + count - 1), at + count end

-- Of a value whose length, or which itself, is a number behind its first byte: how many bytes it has, and its reader.
local sized = {
    [0xc4] = {1, bytes}, [0xc5] = {2, bytes}, [0xc6] = {4, bytes}, [0xd9] = {1, bytes}, [0xda] = {2, bytes},
    [0xdb] = {4, bytes}, [0xdc] = {2, array}, [0xdd] = {4, array}, [0xde] = {2, map}, [0xdf] = {4, map},
}
local plain = {[0xc0] = {nil}, [0xc2] = {false}, [0xc3] = {true}}

function read(text, at)
    local first = byte(text, at)
    at = at + 1
    if first < 0x80 then return first, at end
    if first < 0x90 then return map(text, at, first - 0x80) end
    if first < 0xa0 then return array(text, at, first - 0x90) end
    if first < 0xc0 then return bytes(text, at, first - 0xa0) end
    if first >= 0xe0 then return first - 0x100, at end
    if plain[first] then return plain[first][1], at end
    local long = sized[first]
    if long then return long[2](text, at + long[1], unsigned(text, at, long[1])) end
    if first == 0xcb then return double(text, at), at + 8 end
    if first >= 0xcc and first <= 0xcf then
        local size = 2 ^ (first - 0xcc)
        return unsigned(text, at, size), at + size
    end
    if first >= 0xd0 and first <= 0xd3 then
        local size = 2 ^ (first - 0xd0)
        return signed(text, at, size), at + size
    end
    error("no MessagePack value begins with " .. first)
end

return {unpack = function(text) return (read(text, 1)) end}

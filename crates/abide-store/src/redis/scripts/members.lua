-- Members are made of texts that end with NUL; in a text, a NUL is followed by 255.
local function unescaped(text)
  return (string.gsub(text, '%z\255', '\0'))
end

-- Namespace, kind and id of the object that is named from a place on, and where the rest begins.
local function object_of(member, from)
  local parts, look = {}, from
  while #parts < 3 do
    local stop = string.find(member, '\0', look, true)
    look = stop + 1
    if string.byte(member, look) ~= 255 then
      parts[#parts + 1] = unescaped(string.sub(member, from, stop - 1))
      from = look
    end
  end
  return parts, from
end

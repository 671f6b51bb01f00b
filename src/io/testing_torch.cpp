#include "io/testing_torch.h"

namespace emend::by_hand {
namespace {

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}

std::string number(int64_t value) {
  std::string text("\x8a\x08");
  return text += little(static_cast<uint64_t>(value), 8);
}

std::string numbers(const std::vector<int64_t>& values) {
  std::string text("(");
  for (auto value : values) text += number(value);
  return text += "t";
}

}  // namespace

std::string torch_zip(const Named& entries, bool wide) {
  const auto narrow = [&](uint64_t value) { return little(wide ? 0xffffffff : value, 4); };
  std::string bytes, directory;
  for (const auto& [name, data] : entries) {
    std::string extra;
    if (wide)
      extra = little(1, 2) + little(24, 2) + little(data.size(), 8) + little(data.size(), 8) +
              little(bytes.size(), 8);
    // Flags, method, time, checksum, sizes, length of the name.
    const auto common =
        little(0, 12) + narrow(data.size()) + narrow(data.size()) + little(name.size(), 2);
    directory += "PK\1\2" + little(0, 4) + common + little(extra.size(), 2) + little(0, 10) +
                 narrow(bytes.size()) + name + extra;
    bytes += "PK\3\4" + little(0, 2) + common + little(0, 2) + name + data;
  }
  const auto end = bytes.size() + directory.size();
  auto count = little(wide ? 0xffff : entries.size(), 2);
  count += count;
  if (wide)
    directory += "PK\6\6" + little(44, 8) + little(0, 12) + little(entries.size(), 8) +
                 little(entries.size(), 8) + little(directory.size(), 8) + little(bytes.size(), 8) +
                 "PK\6\7" + little(0, 4) + little(end, 8) + little(1, 4);
  return bytes + directory + "PK\5\6" + little(0, 4) + count + narrow(directory.size()) +
         narrow(bytes.size()) + little(0, 2);
}

std::string short_text(const std::string& text) {
  std::string code("\x8c");
  return code += little(text.size(), 1) + text;
}

std::string torch_tensor(const std::string& key, int64_t elements, int64_t offset,
                         const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + short_text("storage") +
         "ctorch\nFloatStorage\n" + short_text(key) + short_text("cpu") + number(elements) + "tQ" +
         number(offset) + numbers(shape) + numbers(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

std::string torch_legacy(const std::string& pickle, const Named& storages) {
  std::string bytes("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  bytes += "\x80\x02M" + little(1001, 2) + ".";
  bytes += "\x80\x02}" + short_text("little_endian") + "\x88s.";
  bytes += "\x80\x02" + pickle + ".";
  bytes += "\x80\x02](";
  for (const auto& [key, data] : storages) bytes += short_text(key);
  bytes += "e.";
  for (const auto& [key, data] : storages) bytes += little(data.size() / 4, 8) + data;
  return bytes;
}

}  // namespace emend::by_hand

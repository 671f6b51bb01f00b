#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// A file in a zip archive: bytes [begin, end) of the archive.
struct ZipEntry {
  std::string name;
  uint64_t begin = 0, end = 0;
};

bool looks_like_zip(std::string_view bytes);

// Lists the entries of an archive (also zip64) with stored (uncompressed) files, sorted by
// position. Throws emend::Error for compressed, encrypted, overlapping or duplicate entries, and
// for damaged or truncated archives. Checksums are not verified, because the data may be many
// gigabytes.
std::vector<ZipEntry> list_zip(std::string_view bytes, const std::string& path);

}  // namespace emend

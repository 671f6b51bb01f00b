#include "io/files/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "io/error.h"
#include "io/hash.h"
#include "io/image/image.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

TEST(File, WritesAndReadsBack) {
  TemporaryFolder folder;
  auto path = folder.file("a");
  write_file(path, std::string("one\0two", 7));
  EXPECT_EQ(std::string("one\0two", 7), read_file(path));
  write_file(path, "");
  EXPECT_EQ("", read_file(path));
  EXPECT_EQ("a ", folder.listing());
}

TEST(File, DoesNotAppearBeforeCommit) {
  TemporaryFolder folder;
  auto path = folder.file("a");
  write_file(path, "old");
  {
    AtomicFile file(path);
    file.write("new");
    EXPECT_EQ("old", read_file(path));
  }
  EXPECT_EQ("old", read_file(path));
  EXPECT_EQ("a ", folder.listing());
}

TEST(File, SimultaneousWritersDoNotMix) {
  TemporaryFolder folder;
  auto path = folder.file("a");
  AtomicFile first(path), second(path);
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ("second", read_file(path));
  EXPECT_EQ("a ", folder.listing());
}

TEST(File, FullDiskThrowsAndLeavesTheOldFile) {
  TemporaryFolder folder;
  write_file(folder.file("text"), "old");
  write_json(folder.file("json"), {{"old", 1}});
  write_png(folder.file("png"), {1, 1, {1, 2, 3}});
  write_safetensors(folder.file("tensors"), {{"old", at::ones({2})}});
  auto listing = folder.listing();
  auto fingerprint = [&] {
    Hasher hasher;
    for (const char* name : {"text", "json", "png", "tensors"})
      hasher.update(read_file(folder.file(name)));
    return hasher.hex();
  };
  auto before = fingerprint();
  {
    FullDisk full(1000);
    auto many = at::arange(10000, at::kFloat);
    Image noise{50, 50, std::vector<uint8_t>(7500)};
    for (size_t i = 0; i < noise.rgb.size(); ++i) noise.rgb[i] = uint8_t(i * i * 2654435761u >> 13);
    EXPECT_THROW(write_file(folder.file("text"), std::string(5000, 'x')), Error);
    EXPECT_THROW(write_json(folder.file("json"), std::vector<int>(5000, 1)), Error);
    EXPECT_THROW(write_png(folder.file("png"), noise), Error);
    EXPECT_THROW(write_safetensors(folder.file("tensors"), {{"new", many}}), Error);
    EXPECT_THROW(write_file(folder.file("not there before"), std::string(5000, 'x')), Error);
  }
  EXPECT_EQ(listing, folder.listing());
  EXPECT_EQ(before, fingerprint());
}

TEST(File, ThrowsWhereItCannotReadOrWrite) {
  TemporaryFolder folder;
  EXPECT_THROW(write_file("", "x"), Error);
  EXPECT_THROW(write_file(folder.path(), "x"), Error) << "a folder";
  EXPECT_THROW(write_file(folder.file("no/such/folder"), "x"), Error);
  EXPECT_THROW(write_file("/dev/null", "x"), Error) << "a device must not be replaced";
  EXPECT_THROW(read_file(folder.file("absent")), Error);
  EXPECT_THROW(read_file(folder.path()), Error);
  EXPECT_THROW(read_file("/dev/zero"), Error);
  write_file(folder.file("a"), "12345");
  EXPECT_EQ("12345", read_file(folder.file("a"), 5));
  EXPECT_THROW(read_file(folder.file("a"), 4), Error);
  ASSERT_EQ(0, ::mkfifo(folder.file("pipe").c_str(), 0600));
  EXPECT_THROW(read_file(folder.file("pipe")), Error) << "opening it must not block";
}

TEST(Hash, IsXxh3Of128Bits) {
  // Computed with the reference implementation.
  EXPECT_EQ("99aa06d3014798d86001c324468d497f", hash_hex(""));
  EXPECT_EQ("df8d09e93f874900a99b8775cc15b6c7", hash_hex("hello world"));
  EXPECT_EQ(hash_hex("hello world"), Hasher().update("hello ").update("world").hex());
  EXPECT_NE(hash_hex("hello world"), hash_hex("hello worle"));
  Hasher hasher;
  hasher.update("hello ");
  EXPECT_EQ(hash_hex("hello "), hasher.hex());
  EXPECT_EQ(hash_hex("hello world"), hasher.update("world").hex());
}

}  // namespace
}  // namespace emend

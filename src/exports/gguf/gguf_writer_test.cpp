#include "exports/gguf/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

GgufTensor gguf_tensor(const std::string& name, GgufType type, const at::Tensor& values) {
  return {name, type, values.sizes().vec(), [values] { return values; }};
}

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string raw_text(const std::string& text) { return raw<uint64_t>(text.size()) + text; }

class GgufWriterTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::string path_ = folder_.file("a.gguf");
};

// The whole file, written out by the description of the format.
TEST_F(GgufWriterTest, WritesTheFormat) {
  const auto half = at::tensor({1.0f, -2.0f, 0.5f, 4.0f}).reshape({2, 2});
  const auto vector = at::tensor({3.0f});
  uint64_t written = 0;
  stream_gguf(path_,
              {{"a", uint32_t{7}},
               {"b", true},
               {"c", "text"},
               {"d", std::vector<std::string>{"x", ""}},
               {"e", std::vector<int32_t>{-1, 2}},
               {"f", 1.5f}},
              {gguf_tensor("m", GgufType::f16, half), gguf_tensor("v", GgufType::f32, vector)},
              [&](uint64_t bytes) { written += bytes; });
  std::string expected = "GGUF" + raw<uint32_t>(3) + raw<uint64_t>(2) + raw<uint64_t>(6);
  expected += raw_text("a") + raw<uint32_t>(4) + raw<uint32_t>(7);
  expected += raw_text("b") + raw<uint32_t>(7) + std::string(1, '\1');
  expected += raw_text("c") + raw<uint32_t>(8) + raw_text("text");
  expected += raw_text("d") + raw<uint32_t>(9) + raw<uint32_t>(8) + raw<uint64_t>(2) +
              raw_text("x") + raw_text("");
  expected += raw_text("e") + raw<uint32_t>(9) + raw<uint32_t>(5) + raw<uint64_t>(2) +
              raw<int32_t>(-1) + raw<int32_t>(2);
  expected += raw_text("f") + raw<uint32_t>(6) + raw(1.5f);
  expected += raw_text("m") + raw<uint32_t>(2) + raw<uint64_t>(2) + raw<uint64_t>(2) +
              raw<uint32_t>(1) + raw<uint64_t>(0);
  expected +=
      raw_text("v") + raw<uint32_t>(1) + raw<uint64_t>(1) + raw<uint32_t>(0) + raw<uint64_t>(32);
  expected.resize((expected.size() + 31) / 32 * 32);
  for (const uint16_t bits : {0x3c00, 0xc000, 0x3800, 0x4400}) expected += raw(bits);
  expected.resize(expected.size() + 24);
  expected += raw(3.0f);
  expected.resize(expected.size() + 28);
  EXPECT_EQ(read_file(path_), expected);
  EXPECT_EQ(written, 12u);
}

TEST_F(GgufWriterTest, TensorsAreConvertedInSlices) {
  at::manual_seed(1);
  const auto values = at::randn({3000, 3200});  // more than one slice
  for (const auto type : {GgufType::bf16, GgufType::q8_0}) {
    const auto tensor = gguf_tensor("m", type, values);
    int slices = 0;
    stream_gguf(path_, {}, {tensor}, [&](uint64_t) { ++slices; });
    EXPECT_GT(slices, 1);
    const auto file = read_file(path_);
    const auto bytes = gguf_bytes(tensor);
    ASSERT_EQ(file.size() % 32, 0u);
    ASSERT_EQ(file.size(), 96 + (bytes + 31) / 32 * 32);
    if (type == GgufType::q8_0) continue;
    const auto expected = values.to(at::kBFloat16);
    EXPECT_EQ(std::memcmp(file.data() + 96, expected.data_ptr(), bytes), 0);
  }
}

TEST_F(GgufWriterTest, OtherFilesAreNotReplaced) {
  stream_gguf(path_, {}, {});
  stream_gguf(path_, {{"a", true}}, {});  // a GGUF file is
  write_file(path_, "precious");
  EXPECT_THAT(error_of([&] { stream_gguf(path_, {}, {}); }), HasSubstr("not a GGUF file"));
  EXPECT_EQ(read_file(path_), "precious");
  EXPECT_THAT(error_of([&] { check_gguf_output(folder_.path()); }), HasSubstr("not a GGUF file"));
}

TEST_F(GgufWriterTest, ValuesThatTheTypeLacksAreRefused) {
  const auto error = [&](GgufType type, float value) {
    const auto values = at::full({2, 32}, value);
    return error_of([&] { stream_gguf(path_, {}, {gguf_tensor("m", type, values)}); });
  };
  EXPECT_THAT(error(GgufType::f16, 70000), HasSubstr("'m' has a value that fp16"));
  EXPECT_EQ(error(GgufType::f16, 65504), "no error");
  EXPECT_EQ(error(GgufType::q8_0, 70000), "no error");
  EXPECT_THAT(error(GgufType::q8_0, 1e7), HasSubstr("q8_0 cannot represent"));
  EXPECT_THAT(error(GgufType::f32, NAN), HasSubstr("fp32 cannot represent"));
  std::filesystem::remove(path_);
  EXPECT_THAT(error(GgufType::bf16, INFINITY), HasSubstr("bf16 cannot represent"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THAT(error_of([&] {
                stream_gguf(path_, {{"a", true}, {"a", true}}, {});
              }),
              HasSubstr("two entries"));
}

}  // namespace
}  // namespace emend

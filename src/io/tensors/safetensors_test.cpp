#include "io/tensors/safetensors.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/testing.h"
#include "io/testing_torch.h"

namespace emend {
namespace {

std::string with_header(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i));
  return bytes + header + data;
}

class SafetensorsTest : public testing::Test {
 protected:
  std::string message(const std::string& bytes) {
    write_file(folder_.file("t"), bytes);
    try {
      SafetensorsFile::open(folder_.file("t"));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  void refused(const std::string& header, const std::string& data, const std::string& expected) {
    auto got = message(with_header(header, data));
    EXPECT_NE(got.find(expected), std::string::npos) << header << "\n" << got;
  }

  TemporaryFolder folder_;
};

TEST_F(SafetensorsTest, ReadsEveryDtypeOfTheReferenceLibrary) {
  auto file = SafetensorsFile::open(EMEND_SOURCE_DIR "/src/io/testdata/dtypes.safetensors");
  EXPECT_EQ((std::map<std::string, std::string>{{"format", "pt"}}), file->metadata());
  const std::map<std::string, at::ScalarType> types = {{"float64", at::kDouble},
                                                       {"float32", at::kFloat},
                                                       {"float16", at::kHalf},
                                                       {"bfloat16", at::kBFloat16},
                                                       {"int64", at::kLong},
                                                       {"int32", at::kInt},
                                                       {"int16", at::kShort},
                                                       {"int8", at::kChar},
                                                       {"uint8", at::kByte},
                                                       {"bool", at::kBool},
                                                       {"complex64", at::kComplexFloat}};
  auto expected = (at::arange(6, at::kLong) - 2).reshape({2, 3});
  for (const auto& [name, type] : types) {
    auto tensor = file->tensor(name);
    EXPECT_EQ(type, tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, expected.to(type))) << name;
  }
  auto scalar = file->tensor("scalar");
  EXPECT_EQ(0, scalar.dim());
  EXPECT_EQ(1.5, scalar.item<double>());
  EXPECT_EQ((std::vector<int64_t>{3, 0, 2}), file->tensor("empty").sizes().vec());
  EXPECT_EQ(7, file->tensor("name with \u00e9 and \U0001f642").item<int>());
  EXPECT_THROW(file->tensor("absent"), Error);
  for (const char* name : {"uint16", "float8"}) {
    EXPECT_EQ(at::ScalarType::Undefined, file->tensors().at(name).dtype);
    EXPECT_THROW(file->tensor(name), Error) << "an error only when it is read";
  }
}

TEST_F(SafetensorsTest, WritesAndReadsBackBitForBit) {
  auto path = folder_.file("w");
  at::manual_seed(1);
  std::vector<std::pair<std::string, at::Tensor>> tensors = {
      {"bytes", at::arange(3, at::kByte)},
      {"half", at::randn({3, 5}).to(at::kHalf)},
      {"float", at::randn({2, 3, 4})},
      {"transposed", at::randn({4, 6}).t()},
      {"double", at::randn({1}, at::kDouble)},
      {"bool", at::randn({7}) > 0},
      {"bf16", at::randn({9}).to(at::kBFloat16)},
      {"scalar", at::scalar_tensor(3, at::kLong)},
      {"none", at::empty({0, 4})},
      {"nan", at::full({2}, std::numeric_limits<float>::quiet_NaN())},
      {"strange \"name\" \\ \u00e9", at::ones({1})}};
  write_safetensors(path, tensors, {{"k", "v \u00e9"}, {"empty", ""}});
  auto file = SafetensorsFile::open(path);
  EXPECT_EQ(tensors.size(), file->tensors().size());
  EXPECT_EQ("v \u00e9", file->metadata().at("k"));
  for (const auto& [name, tensor] : tensors) {
    auto got = file->tensor(name);
    EXPECT_EQ(tensor.sizes(), got.sizes());
    EXPECT_EQ(tensor.scalar_type(), got.scalar_type());
    const auto bytes = [](const at::Tensor& t) {
      const auto flat = t.contiguous();
      return std::string(static_cast<const char*>(flat.data_ptr()), flat.nbytes());
    };
    EXPECT_EQ(bytes(tensor), bytes(got)) << name;
  }
  EXPECT_EQ("w ", folder_.listing());
  write_safetensors(path, {});
  EXPECT_TRUE(SafetensorsFile::open(path)->tensors().empty());
}

TEST_F(SafetensorsTest, RefusesToWriteInvalidTensors) {
  auto path = folder_.file("w");
  auto one = at::ones({1});
  EXPECT_THROW(write_safetensors(path, {{"a", one}, {"a", one}}), Error);
  EXPECT_THROW(write_safetensors(path, {{"a", at::Tensor()}}), Error);
  EXPECT_THROW(write_safetensors(path, {{"__metadata__", one}}), Error);
  EXPECT_THROW(write_safetensors(path, {{"\xff", one}}), Error);
  EXPECT_THROW(write_safetensors(path, {{"a", one}}, {{"k", "\xff"}}), Error);
  EXPECT_THROW(write_safetensors(path, {{"a", one.to(at::kComplexDouble)}}), Error);
  EXPECT_EQ("", folder_.listing());
}

TEST_F(SafetensorsTest, StreamsTensorsOneByOneIntoShards) {
  int made = 0, alive = 0;
  std::vector<PlannedTensor> planned;
  for (const char* name : {"a", "b", "c", "d"})
    planned.push_back({name, at::kFloat, {2, 5}, [&] {
                         // The previous tensor has been released.
                         EXPECT_EQ(0, alive);
                         ++alive;
                         auto* data = new float[10];
                         std::fill_n(data, 10, static_cast<float>(made++));
                         return at::from_blob(data, {2, 5}, [&alive](void* given) {
                           delete[] static_cast<float*>(given);
                           --alive;
                         });
                       }});
  uint64_t written = 0;
  stream_checkpoint(folder_.path(), planned, {}, 100, [&](uint64_t bytes) { written += bytes; });
  EXPECT_EQ(160U, written);
  EXPECT_EQ(
      "model-00001-of-00002.safetensors model-00002-of-00002.safetensors "
      "model.safetensors.index.json ",
      folder_.listing());
  const auto checkpoint = Checkpoint::open(folder_.path());
  EXPECT_EQ((std::vector<std::string>{"a", "b", "c", "d"}), checkpoint.names());
  EXPECT_EQ(30, checkpoint.tensor("d").sum().item<float>());
  EXPECT_EQ(160, read_json(folder_.file("model.safetensors.index.json"))["metadata"]["total_size"]);
}

TEST_F(SafetensorsTest, OneShardNeedsNoIndexAndEachTensorFitsOne) {
  const auto one = [] { return at::ones({4}); };
  stream_checkpoint(folder_.path(), {{"a", at::kFloat, {4}, one}, {"b", at::kFloat, {4}, one}}, {},
                    32);
  EXPECT_EQ("model.safetensors ", folder_.listing());
  TemporaryFolder other;
  stream_checkpoint(other.path(), {{"a", at::kFloat, {4}, one}, {"b", at::kFloat, {4}, one}}, {},
                    1);
  EXPECT_EQ(2U, Checkpoint::open(other.path()).names().size());
  TemporaryFolder empty;
  EXPECT_THROW(stream_checkpoint(empty.path(), {{"a", at::kFloat, {5}, one}}), Error);
  EXPECT_THROW(stream_checkpoint(empty.path(), {{"a", at::kHalf, {4}, one}}), Error);
  EXPECT_THROW(stream_checkpoint(empty.path(),
                                 {{"a", at::kFloat, {4}, one}, {"a", at::kFloat, {4}, one}}, {}, 1),
               Error);
  EXPECT_EQ("model-00001-of-00002.safetensors ", empty.listing()) << "no index";
}

TEST_F(SafetensorsTest, TensorsViewTheMappingAndKeepItAlive) {
  auto path = folder_.file("w");
  write_safetensors(path, {{"a", at::arange(1000, at::kFloat)}});
  auto file = SafetensorsFile::open(path);
  auto a = file->tensor("a"), again = file->tensor("a");
  EXPECT_EQ(a.data_ptr(), again.data_ptr()) << "not copied";
  file.reset();
  write_safetensors(path, {{"a", at::zeros({1})}});
  EXPECT_EQ(999 * 1000 / 2, a.sum().item<double>()) << "the old file is still mapped";
}

TEST_F(SafetensorsTest, MisalignedTensorsAreCopied) {
  float value = 2.5f;
  std::string data(5, '\0');
  std::memcpy(data.data() + 1, &value, 4);
  std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("b":{"dtype":"F32","shape":[],"data_offsets":[1,5]}})";
  while (header.size() % 8) header += ' ';
  ASSERT_EQ("no error", message(with_header(header, data)));
  auto b = SafetensorsFile::open(folder_.file("t"))->tensor("b");
  EXPECT_EQ(2.5, b.item<double>());
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(b.data_ptr()) % 4);
}

TEST_F(SafetensorsTest, ChecksTheWholeHeader) {
  auto one = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const std::string eight(8, 'x');
  ASSERT_EQ("no error",
            message(with_header(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), eight)));
  EXPECT_EQ("no error", message(with_header("{}  ", "")));

  EXPECT_NE(message("").find("shorter"), std::string::npos);
  EXPECT_NE(message("1234567").find("shorter"), std::string::npos);
  EXPECT_NE(message(std::string(8, '\xff') + "{}").find("claims"), std::string::npos);
  EXPECT_NE(message(std::string(8, '\0')).find("no safetensors header"), std::string::npos);
  refused(" {}", "", "no safetensors header");
  refused("{} x", "", "not valid JSON");
  refused("[]", "", "no safetensors header");
  refused(std::string("{}\0\0", 4), "", "NUL byte");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), "1234567", "is truncated");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), "123456789",
          "1 bytes after its last");
  refused(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), eight, "need 12");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), eight, "bytes 8 to 0");
  refused(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), eight, "begins at byte 4");
  refused(one(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"), eight, "unknown dtype");
  refused(one(R"("dtype":3,"shape":[2],"data_offsets":[0,8])"), eight, "unknown dtype");
  refused(one(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), eight,
          "not a list of at most 64");
  refused(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), eight,
          "invalid number in shape");
  refused(one(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), eight, "invalid number");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,-8])"), eight, "invalid number");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), eight, "not a pair");
  refused(one(R"("dtype":"F32","shape":[2])"), eight, "exactly dtype");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1)"), eight, "exactly dtype");
  refused(one(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])"), "1", "whole byte");
  refused(R"({"a":[]})", "", "exactly dtype");
  refused(R"({"__metadata__":3})", "", "not an object");
  refused(R"({"__metadata__":{"k":3}})", "", "not a string");
  // 2^32 * 2^32 elements, 2^62 * 8 bytes, and an empty tensor that overflows before the factor 0.
  refused(one(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), "",
          "can be counted");
  refused(one(R"("dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0])"), "",
          "can be counted");
  refused(one(R"("dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0])"), "",
          "can be counted");
  refused(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615])"), eight,
          "invalid number");

  auto two = [](const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)" + second + "}";
  };
  refused(two(R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})"), "1234",
          "begins at byte 0");
  refused(two(R"("b":{"dtype":"U8","shape":[6],"data_offsets":[2,8]})"), eight, "begins at byte 2");
  refused(two(R"("b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]})"), eight, "begins at byte 5");
  refused(two(R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), eight, "'a' twice");
  refused("{\"a\":" + std::string(1000, '[') + "}", "", "nested deeper");
}

TEST_F(SafetensorsTest, RefusesWhatIsNotAFile) {
  EXPECT_THROW(SafetensorsFile::open("/nowhere"), Error);
  EXPECT_THROW(SafetensorsFile::open(folder_.path()), Error);
  EXPECT_THROW(SafetensorsFile::open("/dev/zero"), Error);
}

class CheckpointTest : public testing::Test {
 protected:
  std::string message() {
    try {
      Checkpoint::open(folder_.path());
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  void refused(const std::string& expected) {
    EXPECT_NE(message().find(expected), std::string::npos) << message();
  }
  void shards() {
    write_safetensors(folder_.file("one.safetensors"),
                      {{"a", at::ones({2})}, {"b", at::ones({3})}});
    write_safetensors(folder_.file("two.safetensors"), {{"c", at::zeros({4})}});
    index({{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}});
  }
  void index(const nlohmann::json& map) {
    write_json(folder_.file("model.safetensors.index.json"),
               {{"metadata", {{"total_size", 36}}}, {"weight_map", map}});
  }

  TemporaryFolder folder_;
};

TEST_F(CheckpointTest, ReadsOneFileOrShards) {
  shards();
  auto sharded = Checkpoint::open(folder_.path());
  EXPECT_EQ((std::vector<std::string>{"a", "b", "c"}), sharded.names());
  EXPECT_TRUE(sharded.contains("c"));
  EXPECT_FALSE(sharded.contains("d"));
  EXPECT_EQ((std::vector<int64_t>{4}), sharded.info("c").shape);
  EXPECT_EQ(3, sharded.tensor("b").sum().item<double>());
  EXPECT_THROW(sharded.tensor("d"), Error);
  EXPECT_THROW(sharded.info("d"), Error);
  write_safetensors(folder_.file("model.safetensors"), {{"only", at::ones({2})}});
  EXPECT_EQ((std::vector<std::string>{"only"}), Checkpoint::open(folder_.path()).names());
}

TEST_F(CheckpointTest, IndexAndShardsMustAgree) {
  shards();
  index({{"a", "one.safetensors"}, {"c", "two.safetensors"}});
  refused("has tensor 'b'");
  index({{"a", "one.safetensors"},
         {"b", "one.safetensors"},
         {"c", "two.safetensors"},
         {"d", "two.safetensors"}});
  refused("tensor 'd' in 'two.safetensors', which does not have it");
  index({{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "three.safetensors"}});
  refused("'three.safetensors', which does not exist");
  for (const char* name : {"../one.safetensors", "/etc/passwd", "x/../one.safetensors", "..", ".",
                           "", "./one.safetensors", "sub/one.safetensors"}) {
    index({{"a", name}});
    refused("not a plain file name");
  }
  index({{"a", 3}});
  refused("'a' should be a string");
  index(nlohmann::json::object());
  refused("no usable weight_map");
  index({"a"});
  refused("no usable weight_map");
  write_json(folder_.file("model.safetensors.index.json"), nlohmann::json::array());
  refused("weight_map");
  write_file(folder_.file("model.safetensors.index.json"),
             R"({"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}})");
  refused("'a' twice");
  shards();
  write_file(folder_.file("two.safetensors"), "short");
  refused("two.safetensors");
}

TEST_F(CheckpointTest, ReadsOlderFoldersWithTorchFiles) {
  const std::string numbers(16, '\0');
  const auto file = [&](const std::string& name) {
    return by_hand::torch_legacy("}U\1" + name + by_hand::torch_tensor("0", 4, 0, {4}, {1}) + "s",
                                 {{"0", numbers}});
  };
  write_file(folder_.file("pytorch_model-1-of-2.bin"), file("a"));
  write_file(folder_.file("pytorch_model-2-of-2.bin"), file("b"));
  write_json(
      folder_.file("pytorch_model.bin.index.json"),
      {{"weight_map", {{"a", "pytorch_model-1-of-2.bin"}, {"b", "pytorch_model-2-of-2.bin"}}}});
  EXPECT_EQ((std::vector<std::string>{"a", "b"}), Checkpoint::open(folder_.path()).names());
  write_file(folder_.file("pytorch_model-2-of-2.bin"), file("c"));
  refused("tensor 'b' in 'pytorch_model-2-of-2.bin', which does not have it");
  write_file(folder_.file("pytorch_model.bin"), file("d"));
  EXPECT_EQ((std::vector<std::string>{"d"}), Checkpoint::open(folder_.path()).names());
  write_safetensors(folder_.file("model.safetensors"), {{"e", at::ones({2})}});
  EXPECT_EQ((std::vector<std::string>{"e"}), Checkpoint::open(folder_.path()).names());
}

TEST_F(CheckpointTest, ErrorsForFoldersWithoutWeightsNameTheProblem) {
  refused("has neither model.safetensors nor");
  write_file(folder_.file("pytorch_model.bin"), "x");
  refused("pytorch_model.bin' is not a file that torch.save wrote");
  EXPECT_THROW(Checkpoint::open("/nowhere"), Error);
  EXPECT_THROW(Checkpoint::open(folder_.file("pytorch_model.bin")), Error);
  EXPECT_THROW(Checkpoint::open(""), Error);
}

}  // namespace
}  // namespace emend

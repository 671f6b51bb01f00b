#include "io/tensors/torch_file.h"

#include <gmock/gmock.h>

#include <fstream>

#include "io/error.h"
#include "io/files/file.h"
#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "io/testing_torch.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kTorchData = EMEND_SOURCE_DIR "/src/io/testdata/torch/";

std::string torch_error(const std::string& bytes, const std::vector<std::string>& keys = {}) {
  TemporaryFolder folder;
  const auto path = folder.file("a.pth");
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    TorchFile::open(path, keys);
  } catch (const Error& error) {
    return error.what();
  }
  return "opened";
}

class RealFile : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Layouts, RealFile, ::testing::Values("zip", "legacy", "protocol4"),
                         [](const auto& info) { return info.param; });

TEST_P(RealFile, ReadsTheTensorsThatTorchSaved) {
  const auto file = TorchFile::open(kTorchData + GetParam() + ".pth", {"state_dict", "model"});
  const auto expected = SafetensorsFile::open(kTorchData + "expected.safetensors");
  EXPECT_EQ("model", file->key());
  ASSERT_EQ(expected->tensors().size(), file->tensors().size());
  for (const auto& [name, info] : expected->tensors()) {
    ASSERT_TRUE(file->tensors().count(name)) << name;
    EXPECT_EQ(info.dtype, file->tensors().at(name).dtype) << name;
    EXPECT_EQ(info.shape, file->tensors().at(name).shape) << name;
    EXPECT_EQ(info.end - info.begin, file->tensors().at(name).end) << name;
    const auto tensor = file->tensor(name);
    EXPECT_EQ(info.dtype, tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(expected->tensor(name), tensor)) << name;
  }
  EXPECT_THROW(file->tensor("none"), Error);
}

TEST(TorchFile, SharesStoragesWithoutCopying) {
  const auto file = TorchFile::open(kTorchData + "zip.pth", {"model"});
  const auto whole = file->tensor("shared.whole"), turned = file->tensor("shared.turned");
  EXPECT_EQ(whole.data_ptr(), turned.data_ptr());
  EXPECT_FALSE(turned.is_contiguous());
  EXPECT_EQ(static_cast<const char*>(whole.data_ptr()) + 24,
            file->tensor("shared.part").data_ptr());
}

TEST(TorchFile, TensorsOutliveTheFile) {
  auto file = TorchFile::open(kTorchData + "zip.pth", {"model"});
  const auto tensor = file->tensor("float32");
  file.reset();
  EXPECT_EQ(-2, tensor[0][0].item<float>());
}

// If no key matches, the dict itself is read, and any other value in it is an error.
TEST(TorchFile, NamesValuesThatAreNotTensors) {
  for (const char* layout : {"zip", "legacy"})
    EXPECT_THAT(torch_error(read_file(kTorchData + layout + ".pth")),
                HasSubstr("'model' is an object of collections.OrderedDict, not a tensor"));
}

TEST(TorchFile, RefusesPicklesThatRunPrograms) {
  EXPECT_THAT(
      torch_error(read_file(kTorchData + "hostile.pth"), {"model"}),
      AllOf(HasSubstr("refers to posix.system"), HasSubstr("refused"), Not(HasSubstr("\n"))));
  const std::pair<const char*, const char*> hostile[] = {
      {"os", "system"},           {"posix", "system"},
      {"subprocess", "Popen"},    {"builtins", "eval"},
      {"builtins", "exec"},       {"builtins", "getattr"},
      {"builtins", "__import__"}, {"torch", "load"},
      {"torch.hub", "load"},      {"torch.storage", "_load_from_bytes"},
      {"numpy", "load"},          {"omegaconf", "OmegaConf"},
      {"torch.nn", "Linear"}};
  for (const auto& [module, name] : hostile) {
    const auto classic =
        by_hand::torch_legacy(std::string("}U\1xc") + module + "\n" + name + "\n)Rs", {});
    EXPECT_THAT(torch_error(classic), HasSubstr(std::string("refers to ") + module + "." + name));
    // The same in protocol 4, and a global that is named but not called.
    const auto stack = by_hand::torch_legacy(
        "}U\1x" + by_hand::short_text(module) + by_hand::short_text(name) + "\x93s", {});
    EXPECT_THAT(torch_error(stack), HasSubstr(std::string("refers to ") + module + "." + name));
  }
}

TEST(TorchFile, IgnoresHarmlessObjectsExceptAmongTensors) {
  const std::string object = "cargparse\nNamespace\n)\x81}U\2lrK\1sb";
  const std::string tensor = by_hand::torch_tensor("0", 4, 0, {4}, {1});
  const auto beside = by_hand::torch_legacy("}U\5model}U\1w" + tensor + "ssU\4args" + object + "s",
                                            {{"0", std::string(16, '\0')}});
  EXPECT_EQ("opened", torch_error(beside, {"model"}));
  const auto inside = by_hand::torch_legacy("}U\5model}U\1w" + object + "ss", {});
  EXPECT_THAT(torch_error(inside, {"model"}),
              HasSubstr("'w' is an object of argparse.Namespace, not a tensor"));
}

TEST(TorchFile, NamesTheTypeOfOtherFiles) {
  const std::pair<std::string, const char*> others[] = {
      {"", "is empty"},
      {"<!DOCTYPE html><html>", "is a web page"},
      {"\n  <HTML><body>Too many downloads</body>", "is a web page"},
      {"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "is a web page"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git-lfs"},
      {std::string(257, '\0') + "ustar" + std::string(300, '\0'), "is a tar archive"},
      {"\x1f\x8b\x08", "gzip"},
      {"\x80\x04}.", "is a pickle, but not one that torch.save wrote"},
      {"hello", "is not a file that torch.save wrote"},
      {by_hand::torch_zip({{"a/b.txt", "hello"}}), "no data.pkl"},
      {read_file(kTorchData + "expected.safetensors"), "is a safetensors file"}};
  for (const auto& [bytes, said] : others) EXPECT_THAT(torch_error(bytes), HasSubstr(said));
  EXPECT_THROW(TorchFile::open(kTorchData), Error);
  EXPECT_THROW(TorchFile::open(kTorchData + "none.pth"), Error);
}

TEST(TorchFile, RefusesEveryTruncation) {
  for (const char* layout : {"zip", "legacy"}) {
    const auto bytes = read_file(kTorchData + layout + ".pth");
    for (size_t length = 0; length < bytes.size(); length += 1 + length / 50)
      EXPECT_NE("opened", torch_error(bytes.substr(0, length), {"model"})) << layout << length;
  }
}

std::string with_tensor(const std::string& tensor, size_t bytes = 48) {
  return by_hand::torch_legacy("}U\1w" + tensor + "s", {{"0", std::string(bytes, '\0')}});
}

TEST(TorchFile, RefusesTensorsThatExceedTheirStorage) {
  const int64_t most = INT64_MAX;
  const struct {
    int64_t offset;
    std::vector<int64_t> shape, strides;
    const char* said;
  } cases[] = {{0, {3, 4}, {4, 1}, "opened"},
               {11, {1}, {1}, "opened"},
               {12, {0, 5}, {5, 1}, "opened"},
               {1, {3, 4}, {4, 1}, "exceeds its storage of 12"},
               {0, {13}, {1}, "exceeds its storage"},
               {0, {2, 2}, {11, 1}, "exceeds its storage"},
               {12, {1}, {1}, "exceeds its storage"},
               {most, {2}, {1}, "exceeds its storage"},
               {0, {most, most}, {1, 1}, "exceeds its storage"},
               {0, {2, 2}, {most, most}, "exceeds its storage"},
               {-1, {1}, {1}, "is a malformed tensor"},
               {0, {-1}, {1}, "has a malformed shape"},
               {0, {3}, {-1}, "has a malformed shape"},
               {0, {3, 4}, {1}, "has a malformed shape"},
               {0, {13}, {0}, "repeats elements"},
               {0, {int64_t{1} << 40}, {0}, "repeats elements"}};
  for (const auto& c : cases)
    EXPECT_THAT(
        torch_error(with_tensor(by_hand::torch_tensor("0", 12, c.offset, c.shape, c.strides))),
        HasSubstr(c.said));
}

TEST(TorchFile, RefusesStoragesOfWrongSize) {
  const auto tensor = by_hand::torch_tensor("0", 12, 0, {3}, {1});
  EXPECT_THAT(torch_error(with_tensor(tensor, 40)), HasSubstr("truncated in storage '0'"));
  EXPECT_THAT(torch_error(with_tensor(tensor, 52)),
              HasSubstr("has 13 elements in its storage '0'"));
  EXPECT_THAT(
      torch_error(by_hand::torch_legacy("}U\1w" + tensor + "s", {{"0", std::string(48, '\0')}}) +
                  "more"),
      HasSubstr("4 bytes after its last storage"));
  EXPECT_THAT(torch_error(by_hand::torch_legacy("}U\1w" + tensor + "s", {})),
              HasSubstr("has no storage '0'"));
  EXPECT_THAT(torch_error(by_hand::torch_legacy("}U\1w" + tensor + "s",
                                                {{"0", std::string(48, '\0')}, {"1", ""}})),
              HasSubstr("a storage '1' that nothing refers to"));
  EXPECT_THAT(torch_error(by_hand::torch_legacy(
                  "}U\1w" + tensor + "sU\1v" + by_hand::torch_tensor("0", 11, 0, {3}, {1}) + "s",
                  {{"0", std::string(48, '\0')}})),
              HasSubstr("two different descriptions of its storage '0'"));

  const std::string pickle = "\x80\x02}U\1w" + tensor + "s.";
  EXPECT_EQ("opened", torch_error(by_hand::torch_zip(
                          {{"x/data.pkl", pickle}, {"x/data/0", std::string(48, '\0')}})));
  EXPECT_THAT(torch_error(by_hand::torch_zip({{"x/data.pkl", pickle}})),
              HasSubstr("has no storage '0'"));
  EXPECT_THAT(torch_error(by_hand::torch_zip({{"x/data.pkl", pickle}, {"x/data/0", "1234"}})),
              HasSubstr("has 4 bytes in its storage '0', but its tensors need 48"));
  EXPECT_THAT(
      torch_error(by_hand::torch_zip(
          {{"x/data.pkl", pickle}, {"x/byteorder", "big"}, {"x/data/0", std::string(48, '\0')}})),
      HasSubstr("little-endian"));
  EXPECT_THAT(
      torch_error(by_hand::torch_zip({{"x/data.pkl", pickle}, {"x/constants.pkl", "\x80\x02)."}})),
      HasSubstr("TorchScript"));
  EXPECT_THAT(torch_error(by_hand::torch_zip(
                  {{"x/data.pkl", pickle}, {"x/data/0", "1"}, {"x/data/0", "2"}})),
              HasSubstr("two entries 'x/data/0'"));
}

// A storage is viewed if its offset is aligned, and copied otherwise.
TEST(TorchFile, ReadsStoragesAtAnyOffset) {
  std::string numbers;
  for (float value : {1.0F, 2.0F, 3.0F, 4.0F})
    numbers.append(reinterpret_cast<const char*>(&value), sizeof value);
  const std::string pickle = "\x80\x02}U\1w" + by_hand::torch_tensor("0", 4, 1, {2}, {2}) + "s.";
  TemporaryFolder folder;
  for (int shift = 0; shift < 4; ++shift) {
    for (bool wide : {false, true}) {
      write_file(folder.file("a"), by_hand::torch_zip({{"x/data.pkl", pickle},
                                                       {"x/pad", std::string(shift, ' ')},
                                                       {"x/data/0", numbers}},
                                                      wide));
      const auto tensor = TorchFile::open(folder.file("a"))->tensor("w");
      EXPECT_TRUE(at::equal(at::tensor({2.0F, 4.0F}), tensor));
    }
  }
}

TEST(TorchFile, SurvivesNestingAndMemoBombs) {
  // A million nested lists.
  std::string deep = "}U\1w";
  for (int i = 0; i < 1'000'000; ++i) deep += "]";
  for (int i = 0; i < 999'999; ++i) deep += "a";
  EXPECT_THAT(torch_error(by_hand::torch_legacy(deep + "s", {})), HasSubstr("'w' is a list"));
  // Each list contains the previous one twice, so that a recursive walk would visit 2^40 values.
  std::string bomb = "}U\1w]q\1";
  bomb += "0";
  for (char i = 1; i < 41; ++i) {
    bomb += "](";
    for (int twice = 0; twice < 2; ++twice) (bomb += 'h') += i;
    ((bomb += "eq") += static_cast<char>(i + 1)) += '0';
  }
  EXPECT_THAT(torch_error(by_hand::torch_legacy(bomb + "h\x29s", {})), HasSubstr("'w' is a list"));
  // A list that contains itself.
  EXPECT_THAT(torch_error(by_hand::torch_legacy("}U\1w]q\1h\1as", {})), HasSubstr("'w' is a list"));
  // A value that is duplicated millions of times.
  EXPECT_THAT(torch_error(by_hand::torch_legacy("(" + std::string(5'000'000, '2'), {})),
              HasSubstr("empty stack"));
  EXPECT_THAT(torch_error(by_hand::torch_legacy("N" + std::string(5'000'000, '2'), {})),
              HasSubstr("too many values"));
}

TEST(TorchFile, RefusesMalformedPickles) {
  const std::pair<const char*, const char*> cases[] = {
      {"a", "more values than the stack"},
      {"}U\1wNs}", "more than one value"},
      {"(}", "more than one value"},
      {"h\1", "undefined memo entry"},
      {"U\xff", "truncated"},
      {"}(U\1wu", "key without a value"},
      {"NNa", "not a container"},
      {"K\1K\1R", "not a function or class"},
      {"NNb", "fields of a value that is not an object"},
      {"}K\1Ns", "a number as a tensor name"},
      {"}U\1wNs", "'w' is None, not a tensor"},
      {"]", "contains a list, not a dict"},
      {"I1\n", "opcode 0x49"},
      {"P0\n", "opcode 0x50"},
      {"i", "opcode 0x69"},
      {"\x82\1", "opcode 0x82"},
      {"\x80\5", "protocol 5"},
      {"U\7storageQ", "does not write"},
      {"}U\1wU\1wQs", "does not write"}};
  for (const auto& [pickle, said] : cases)
    EXPECT_THAT(torch_error(by_hand::torch_legacy(pickle, {})), HasSubstr(said)) << pickle;
  EXPECT_THAT(torch_error(with_tensor(by_hand::torch_tensor("0", 12, 0, {3}, {1}) + "sU\1w" +
                                      by_hand::torch_tensor("0", 12, 0, {3}, {1}))),
              HasSubstr("'w' occurs twice"));
}

}  // namespace
}  // namespace emend

#include "models/architectures/architecture.h"

#include <gmock/gmock.h>

#include <fstream>
#include <random>

#include "io/error.h"
#include "io/testing.h"
#include "models/config/json_fields.h"
#include "models/testing/fixture.h"

namespace emend {
namespace {

int64_t layers_of(const nlohmann::json& config) {
  int64_t layers = 0;
  for (const auto& [name, value] : config.items()) {
    if (value.is_object()) layers += layers_of(value);
    if (name == "num_hidden_layers" && value.is_number_integer()) layers += value.get<int64_t>();
  }
  return layers;
}

// Any file is read or rejected, and a file that is read gives a model or is rejected.
class Configs : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(All, Configs,
                         ::testing::Values("blip2/postnorm", "llama/gqa", "llama/biased",
                                           "llava/full", "smolvlm/tiles", "resnet_llama/plain"),
                         fixtures::test_name);

TEST_P(Configs, MutatedFilesAreReadOrRejected) {
  const auto fixture = fixtures::Fixture::open(GetParam());
  std::ifstream file(fixture.folder + "/config.json", std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(file), {});
  const TemporaryFolder folder;
  const auto path = folder.file("config.json");
  std::vector<WeightInfo> listed;
  for (const auto& name : fixture.checkpoint.names())
    listed.push_back({name, fixture.checkpoint.info(name).shape, at::kFloat});

  std::mt19937 random(11);
  const std::vector<std::string> words{"null", "-1",  "1e400", "0",    "99999999999999999999",
                                       "[]",   "{}",  "\"\"",  "true", "16777216",
                                       "[[[[", "\xff"};
  int accepted = 0, refused = 0;
  for (int round = 0; round < 2000; ++round) {
    auto text = good;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      const size_t at = random() % text.size();
      switch (random() % 5) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 40);
          break;
        case 2:
          text.insert(at, words[random() % words.size()]);
          break;
        default:  // copies the value of another field
          if (const auto colon = text.find(": ", at); colon != std::string::npos) {
            const auto end = text.find_first_of(",\n", colon);
            text.replace(colon + 2, end - colon - 2, words[random() % words.size()]);
          }
      }
      if (text.empty()) text.push_back('{');
    }
    std::ofstream(path, std::ios::binary) << text;
    try {
      const auto config = read_json_object(path);
      const auto architecture = architecture_of(config);
      if (layers_of(config) > 64) continue;  // slow to make, and the layers are alike
      Weights weights(listed, at::kFloat);
      architecture.make_model(weights);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_GT(refused, 500);
}

TEST(Architecture, ErrorsNameTheFile) {
  const auto good = fixtures::Fixture::open("blip2/postnorm").config;
  const TemporaryFolder folder;
  const auto path = folder.file("config.json");
  const auto refusal = [&](const char* pointer, const nlohmann::json& value) {
    auto config = good;
    config[nlohmann::json::json_pointer(pointer)] = value;
    std::ofstream(path) << config.dump();
    return error_of([&] { architecture_of_folder(folder.path()); });
  };
  EXPECT_EQ(refusal("/architectures/0", good["architectures"][0]), "no error");
  EXPECT_THAT(refusal("/text_config/vocab_size", -1),
              ::testing::StartsWith("[models::config] " + path +
                                    ": text_config.vocab_size is -1. Hint: implemented: "));
  EXPECT_THAT(refusal("/architectures", "x"),
              ::testing::StartsWith("[models::config] " + path + ".architectures is \"x\". "));
  EXPECT_THAT(refusal("/architectures/0", "Mystery"),
              ::testing::StartsWith("[models::config] " + path + ": architectures `Mystery`"));
}

}  // namespace
}  // namespace emend

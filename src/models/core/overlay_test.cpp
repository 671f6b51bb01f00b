#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "models/architectures/qformer/blip2.h"
#include "models/testing/thread_guard.h"

namespace emend {
namespace {

constexpr int64_t kMega = 1 << 20;

// Bytes that are allocated and not freed. Mapped files are not part of them.
int64_t allocated_bytes() {
  const auto info = ::mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// How the kernel maps the file: "r--p" is private and read-only.
std::vector<std::string> permissions(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> found;
  for (std::string line; std::getline(maps, line);)
    if (line.find(path) != std::string::npos) found.push_back(line.substr(line.find(' ') + 1, 4));
  return found;
}

// A model whose language block is as large as a delta, so that a copy would be visible.
class Overlay : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  ThreadGuard threads_{1};

  Overlay() {
    at::manual_seed(1);
    config.vision = {.hidden = 16,
                     .intermediate = 16,
                     .layers = 1,
                     .heads = 2,
                     .image_size = 8,
                     .patch_size = 4};
    config.qformer = {.hidden = 16, .intermediate = 16, .layers = 1, .heads = 2};
    config.text = {.vocabulary = 64,
                   .hidden = 1024,
                   .ffn = 4096,
                   .layers = 2,
                   .heads = 8,
                   .max_positions = 32,
                   .embedding_width = 1024};
    config.queries = 2;
    folder =
        (std::filesystem::path(::testing::TempDir()) / fmt::format("emend_overlay_{}", ::getpid()))
            .string();
    std::filesystem::create_directories(folder);
    Weights made([](const std::string&, at::IntArrayRef shape) { return at::randn(shape) * 0.05; },
                 GetParam());
    const auto model = make_blip2(config, made);
    write_safetensors(file(), {model->parameters().begin(), model->parameters().end()});
  }
  ~Overlay() override { std::filesystem::remove_all(folder); }
  std::string file() const { return folder + "/model.safetensors"; }

  Blip2Config config;
  std::string folder;
};
INSTANTIATE_TEST_SUITE_P(Dtypes, Overlay, ::testing::Values(at::kFloat, at::kBFloat16));

TEST_P(Overlay, CostsOnlyItsSizeAndDoesNotCopyTheBase) {
  at::NoGradGuard no_grad;
  const auto before = file_bytes(file());
  Weights weights(Checkpoint::open(folder), GetParam());
  const auto model = make_blip2(config, weights);
  EXPECT_THAT(permissions(file()), ::testing::ElementsAre("r--p"));

  const Batch batch{{}, {{{2, 5, 6, 7, 8}, {}, {}}, {{2, 9}, {}, {}}}};
  const auto logits = [&](const Interventions& interventions) {
    auto pass = model->collate(batch);
    model->run(pass, interventions);
    return pass.logits();
  };
  const auto plain = logits({});
  {
    // Buffers that the allocator keeps after the first overlay do not count for the second.
    const auto small = at::zeros({4096, 1}), flat = at::zeros({1, 1024});
    logits({Intervention::weight("language_model.model.decoder.layers.0.fc1", {{}, small, flat})});
  }

  const int64_t base = allocated_bytes();
  Interventions edit;
  for (const char* layer : {"0", "1"})
    edit.push_back(
        Intervention::weight(std::string("language_model.model.decoder.layers.") + layer + ".fc1",
                             {at::ones({4096, 1024}), {}, {}}));
  const int64_t size = 2 * 4096 * 1024 * sizeof(float);
  EXPECT_FALSE(at::equal(logits(edit), plain));
  EXPECT_NEAR(allocated_bytes() - base, size, kMega / 8);

  edit.clear();
  EXPECT_TRUE(at::equal(logits({}), plain));
  EXPECT_EQ(file_bytes(file()), before);
  const auto untouched = Checkpoint::open(folder);
  for (const auto& [name, tensor] : model->parameters())
    EXPECT_TRUE(at::equal(tensor, untouched.tensor(name))) << name;
}

}  // namespace
}  // namespace emend

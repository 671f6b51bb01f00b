// emend-pretrain: trains the weights of the bundled model from scratch on Scenes.
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "io/error.h"
#include "io/runtime.h"
#include "io/tensors/safetensors.h"
#include "models/architectures/qformer/blip2.h"
#include "models/core/loading/weights.h"
#include "trainer.h"

namespace emend::pretrain {
namespace {

struct Arguments {
  std::string folder = "models/scenes-blip2";
  std::string checkpoint = "checkpoints/scenes-blip2.safetensors";
  int64_t steps = 6000, decay = 1500, examine_every = 250, report_every = 50, pool = 30000;
  Recipe recipe;
};

// Positions must be distinguishable from the first step: sines and cosines of row and column.
at::Tensor grid_positions(at::IntArrayRef shape) {
  auto table = at::zeros(shape);
  auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(shape[1] - 1)));
  auto bands = shape[2] / 4;
  for (int64_t p = 0; p < side * side; ++p)
    for (int64_t b = 0; b < bands; ++b) {
      double pace = 3.14159265 * (0.5 + 0.5 * static_cast<double>(b)) / static_cast<double>(side);
      double row = static_cast<double>(p / side) * pace,
             column = static_cast<double>(p % side) * pace;
      double wave[] = {std::sin(row), std::cos(row), std::sin(column), std::cos(column)};
      for (int64_t k = 0; k < 4; ++k) table[0][p + 1][4 * b + k] = wave[k];
    }
  return table;
}

// Matrices keep the scale of their inputs, and norms begin at one. The usual 0.02 is for much wider
// models; here, attention would not learn for thousands of steps.
Weights::Initializer initializer(uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return [generator](const std::string& name, at::IntArrayRef shape) {
    auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    if (name.ends_with("bias")) return at::zeros(shape);
    if (shape.size() == 1) return at::ones(shape);
    if (has("position_embedding") && shape.size() == 3) return grid_positions(shape);
    if (has("query_tokens")) return at::randn(shape, generator);
    if (has("embed_tokens") || has("embed_positions"))
      return at::randn(shape, generator).mul_(0.02);
    auto fan_in = at::empty(shape).numel() / shape[0];
    // The outputs of blocks start small, so that they do not hide the position embeddings.
    double scale = has("fc2") || has("projection") || has("out_proj") ? 0.35 : 1.0;
    return at::randn(shape, generator).mul_(scale / std::sqrt(static_cast<double>(fan_in)));
  };
}

double rate(const Arguments& a, int64_t step) {
  double warm = std::min(1.0, (step + 1.0) / a.recipe.warmup);
  double left = a.decay > 0 ? std::min(1.0, (a.steps - step) / static_cast<double>(a.decay)) : 1.0;
  return a.recipe.lr * warm * left;
}

void export_weights(const Model& model, const std::string& folder) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (auto& [name, tensor] : model.parameters())
    tensors.emplace_back(name, tensor.detach().contiguous());
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
}

void run(const Arguments& a) {
  set_threads(1);  // each worker uses one thread
  InterruptGuard guard;
  auto config = Blip2Config::load(a.folder + "/config.json");
  auto tokenizer = Tokenizer::load(a.folder);
  Weights weights(initializer(a.recipe.seed), at::kFloat);
  auto model = make_blip2(config, weights);
  Heads heads(config.vision.hidden, config.qformer.hidden, config.queries, config.vision.grid(),
              a.recipe.seed + 1);
  int64_t total = 0;
  for (auto& [name, tensor] : model->parameters()) total += tensor.numel();
  fmt::print("{} parameters; seed {}\n", total, a.recipe.seed);
  auto side = static_cast<int>(config.vision.image_size);
  Pool pool(scenes::Split::pretrain, a.pool, side, a.recipe.seed, a.recipe.threads);
  Pool held_out(scenes::Split::eval, 1024, side, a.recipe.seed + 99, a.recipe.threads);
  Trainer trainer(*model, heads, *tokenizer, pool, a.recipe);
  if (std::filesystem::exists(a.checkpoint)) {
    trainer.resume(a.checkpoint);
    fmt::print("resumed {} at step {}\n", a.checkpoint, trainer.steps());
  } else {
    auto parent = std::filesystem::absolute(a.checkpoint).parent_path();
    std::filesystem::create_directories(parent);
  }

  auto start = std::chrono::steady_clock::now();
  auto first = trainer.steps();
  auto keep = [&] {
    trainer.save(a.checkpoint);
    export_weights(*model, a.folder);
  };
  StepResult since;
  int64_t count = 0;
  while (trainer.steps() < a.steps && !InterruptGuard::interrupted()) {
    since.add(trainer.step(rate(a, trainer.steps())));
    ++count;
    if (trainer.steps() % a.report_every == 0) {
      since.average(static_cast<double>(count));
      std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      double each = spent.count() / static_cast<double>(trainer.steps() - first);
      fmt::print("step {} of {} ({:.2f} s each, {:.0f} min left) {}\n", trainer.steps(), a.steps,
                 each, each * static_cast<double>(a.steps - trainer.steps()) / 60, since.line());
      std::fflush(stdout);
      since = {};
      count = 0;
    }
    if (trainer.steps() % a.examine_every == 0) {
      keep();
      fmt::print("held out: {}\n", trainer.evaluate(held_out, 256).line());
      std::fflush(stdout);
    }
  }
  keep();
  fmt::print("held out at the end: {}\n", trainer.evaluate(held_out, 1024).line());
}

}  // namespace
}  // namespace emend::pretrain

int main(int argc, char** argv) {
  emend::restart_with_runtime_settings(argv);
  using namespace emend::pretrain;
  Arguments a;
  CLI::App app{"Pretrains the bundled BLIP-2 on Scenes, and resumes from its checkpoint."};
  app.add_option("-m,--model", a.folder,
                 "folder with config.json and tokenizer; the weights are written to it");
  app.add_option("--checkpoint", a.checkpoint,
                 "training state to resume from; updated during training");
  app.add_option("--steps", a.steps, "total number of steps, including earlier runs");
  app.add_option("--decay", a.decay,
                 "number of last steps in which the learning rate falls to zero; 0: none");
  app.add_option("--examine-every", a.examine_every, "steps between checkpoints");
  app.add_option("--report-every", a.report_every, "steps between progress lines");
  app.add_option("--pool", a.pool, "number of pictures in the pool");
  app.add_option("--pictures", a.recipe.pictures, "pictures per step");
  app.add_option("--tokens", a.recipe.tokens, "tokens of questions and answers per picture");
  app.add_option("--text-rows", a.recipe.text_rows, "text-only rows per step");
  app.add_option("--look-steps", a.recipe.look_steps,
                 "number of first steps without questions about pictures");
  app.add_option("--heads-weight", a.recipe.heads_weight,
                 "loss weight of the auxiliary heads after these steps");
  app.add_option("--lr", a.recipe.lr, "learning rate");
  app.add_option("--seed", a.recipe.seed, "random seed of weights, pictures and questions");
  app.add_option("-t,--threads", a.recipe.threads,
                 "number of threads; each computes a part of a step");
  CLI11_PARSE(app, argc, argv);
  // A step frees its activations and allocates them again: keep the pages instead of returning
  // them.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  try {
    run(a);
  } catch (const std::exception& error) {
    fmt::print(stderr, "emend-pretrain: {}\n", error.what());
    return 1;
  }
  return 0;
}

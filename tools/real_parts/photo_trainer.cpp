#include "photo_trainer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numeric>
#include <set>
#include <thread>

#include "io/error.h"
#include "nn/activation.h"
#include "suites/random.h"

namespace emend::photos {
namespace {

constexpr const char* kProjector = "connector.linear_";

// The root mean square of some rows of a matrix, to which the projector's first outputs are scaled.
double magnitude(const at::Tensor& x) {
  return x.to(at::kFloat).pow(2).mean().sqrt().item<double>();
}

// The language model's linear layers, without the head, which is tied to the embeddings.
std::vector<Site> changed_sites(const Model& model) {
  std::vector<Site> sites;
  const auto head = model.stages().size() - 1;
  for (const auto& site : model.sites())
    if (site.stage < head && model.stages()[site.stage].module == Module::language)
      sites.push_back(site);
  return sites;
}

at::Tensor weighted_mean(const at::Tensor& each, const std::vector<double>& weights) {
  const auto w = at::tensor(weights).to(at::kFloat);
  return (each * w).sum() / w.sum();
}

// The cross-entropy of every target, in float32.
at::Tensor losses_of(const at::Tensor& logits, const std::vector<int64_t>& targets) {
  return at::cross_entropy_loss(logits.to(at::kFloat), at::tensor(targets, at::kLong), {},
                                at::Reduction::None);
}

std::vector<int64_t> caption_tokens(const Processor& processor, const Photo& photo) {
  std::vector<int64_t> all;
  for (const auto& caption : photo.captions) {
    const auto tokens = processor.target(" " + caption);
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  return all;
}

double fraction_right(const at::Tensor& logits, const PhotoBatch& batch) {
  const auto best = logits.detach().argmax(-1);
  const auto* token = best.data_ptr<int64_t>();
  int64_t right = 0;
  for (const auto& answer : batch.answers) {
    bool all = true;
    for (auto i = answer.begin; i < answer.end; ++i) all &= token[i] == batch.targets[i];
    right += all;
  }
  return static_cast<double>(right) /
         static_cast<double>(std::max<size_t>(1, batch.answers.size()));
}

}  // namespace

double Recipe::rate(int64_t step) const {
  const double warm = std::min(1.0, (static_cast<double>(step) + 1) / static_cast<double>(warmup));
  const auto left = static_cast<double>(steps() - step);
  return lr * warm *
         std::min(1.0, left / static_cast<double>(std::max<int64_t>(1, question_steps)));
}

PhotoTrainer::PhotoTrainer(const Vlm& vlm, const PhotoFeatures& features, const TrainingData& data,
                           const Recipe& recipe)
    : vlm_(vlm), features_(features), data_(data), recipe_(recipe) {
  const auto& model = *vlm.model;
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(recipe.seed);
  const auto words = model.word_embeddings();
  const int64_t width = words.size(1);
  if (recipe_.hidden == 0) recipe_.hidden = width;

  std::vector<const Photo*> some;
  for (size_t i = 0; i < std::min<size_t>(64, data.captioned.size()); ++i)
    some.push_back(&data.captioned[i]);
  const auto x = features.stack(some).flatten(0, 1);
  const int64_t depth = x.size(1);
  // Inputs of mean 0 and size 1 for the first layer; outputs of the size of word embeddings.
  const auto mean = x.mean(0);
  const auto weight1 = at::randn({recipe_.hidden, depth}, generator) /
                       (magnitude(x - mean) * std::sqrt(static_cast<double>(depth)));
  const auto bias1 = -at::mv(weight1, mean);
  const auto inner = activate(at::linear(x, weight1, bias1), Activation::gelu);
  const auto weight2 = at::randn({width, recipe_.hidden}, generator);
  const auto scale = magnitude(words) / magnitude(at::linear(inner, weight2));
  parameters_[std::string(kProjector) + "1.weight"] = weight1;
  parameters_[std::string(kProjector) + "1.bias"] = bias1;
  parameters_[std::string(kProjector) + "2.weight"] = weight2 * scale;
  parameters_[std::string(kProjector) + "2.bias"] = at::zeros({width});

  for (const auto& photo : data.captioned) {
    const auto tokens = caption_tokens(vlm.processor, photo);
    for (const auto token : std::set<int64_t>(tokens.begin(), tokens.end()))
      photos_with_[token] += 1;
  }

  const auto sites = changed_sites(model);
  for (const auto& site : sites) {
    parameters_[site.name + ".lora_A.weight"] =
        at::randn({recipe_.rank, site.in}, generator) / std::sqrt(static_cast<double>(site.in));
    parameters_[site.name + ".lora_B.weight"] = at::zeros({site.out, recipe_.rank});
  }
  optimizer_ = std::make_unique<pretrain::AdamW>(parameters_);
  // In the compute dtype of the model, which is faster than a weight intervention in float32.
  for (const auto& site : sites) {
    const auto down = parameters_.at(site.name + ".lora_A.weight");
    const auto up = parameters_.at(site.name + ".lora_B.weight");
    changes_.push_back(Intervention::layer(
        site.name, [down, up](const Pass&, const at::Tensor& input, const at::Tensor& output) {
          const auto dtype = input.scalar_type();
          return output + at::linear(at::linear(input, down.to(dtype)), up.to(dtype));
        }));
  }
}

at::Tensor PhotoTrainer::features_of(const std::vector<const Photo*>& photos) const {
  const auto features = features_.stack(photos);
  return recipe_.blind ? at::zeros_like(features) : features;
}

at::Tensor PhotoTrainer::project(const at::Tensor& features) const {
  const auto at = [&](const char* name) { return parameters_.at(std::string(kProjector) + name); };
  const auto inner = activate(at::linear(features, at("1.weight"), at("1.bias")), Activation::gelu);
  return at::linear(inner, at("2.weight"), at("2.bias"));
}

at::Tensor PhotoTrainer::logits(const PhotoBatch& batch, const at::Tensor& shown,
                                bool changed) const {
  const auto& model = *vlm_.model;
  Batch rows;
  rows.rows = batch.rows;
  if (!batch.photos.empty())  // the pass begins after the vision tower, which reads the pixels
    rows.pixels = at::zeros({static_cast<int64_t>(batch.photos.size()), 3, 1, 1});
  auto pass = model.collate(rows);
  if (shown.defined()) pass.hidden = project(shown);
  pass.next = model.first_stage(Module::language);
  pass.logit_positions = at::tensor(batch.row_of, at::kLong) * pass.ids.size(1) +
                         at::tensor(batch.position_of, at::kLong);
  model.run(pass, changed ? changes_ : Interventions{});
  return pass.logits();
}

size_t PhotoTrainer::item(size_t count, uint64_t stream, int64_t number) const {
  const auto epoch = number / static_cast<int64_t>(count);
  auto& order = orders_[{stream, epoch}];
  if (order.size() != count) {
    order.resize(count);
    std::iota(order.begin(), order.end(), size_t{0});
    std::mt19937_64 rng(mix(recipe_.seed + mix(1000 * stream + static_cast<uint64_t>(epoch))));
    shuffle(order, rng);
  }
  return order[static_cast<size_t>(number) % count];
}

std::map<int64_t, double> PhotoTrainer::words_of(const Photo& photo) const {
  std::map<int64_t, double> weights;
  const auto photos = static_cast<double>(data_.captioned.size());
  double sum = 0;
  for (const auto token : caption_tokens(vlm_.processor, photo)) {
    const double weight = std::log(photos / photos_with_.at(token));
    weights[token] += weight;
    sum += weight;
  }
  for (auto& [token, weight] : weights) weight /= std::max(sum, 1e-9);
  return weights;
}

PhotoTrainer::Share PhotoTrainer::learn_words(int64_t share) const {
  const int64_t shares = recipe_.threads, count = recipe_.word_photos / shares;
  std::vector<const Photo*> photos;
  std::vector<int64_t> row_of, tokens;
  std::vector<double> weights;
  for (int64_t i = 0; i < count; ++i) {
    const auto number = (steps_ * count + i) * shares + share;
    photos.push_back(&data_.captioned[item(data_.captioned.size(), 4, number)]);
    for (const auto& [token, weight] : words_of(*photos.back())) {
      row_of.push_back(i);
      tokens.push_back(token);
      weights.push_back(weight);
    }
  }
  const auto summed = project(features_of(photos)).mean(1) *
                      std::sqrt(static_cast<double>(vlm_.model->num_image_tokens()));
  const auto log_p =
      at::log_softmax(at::linear(summed, vlm_.model->word_embeddings().to(at::kFloat)), -1);
  const auto places = at::tensor(row_of, at::kLong) * log_p.size(1) + at::tensor(tokens, at::kLong);
  const auto chosen = log_p.flatten().index_select(0, places);
  const auto loss =
      -(chosen * at::tensor(weights).to(at::kFloat)).sum() / static_cast<double>(count);
  Share result;
  result.losses.words = loss.item<double>();
  result.grads = torch::autograd::grad({loss}, optimizer_->parameters(), {}, c10::nullopt, false,
                                       /*allow_unused=*/true);
  return result;
}

PhotoTrainer::Share PhotoTrainer::learn(int64_t share) const {
  const int64_t shares = recipe_.threads, step = steps_ - recipe_.word_steps;
  const int64_t photos = recipe_.photos / shares, texts = recipe_.texts / shares;
  const bool asks = step >= recipe_.caption_steps;
  const int64_t asked = asks ? photos / 2 : 0, told = photos - asked;
  PhotoBatch captions, questions, lines;
  for (int64_t i = 0; i < told; ++i) {
    // Steps with questions take half as many captioned photos; their numbers continue.
    const auto before = asks
                            ? recipe_.caption_steps * photos + (step - recipe_.caption_steps) * told
                            : step * photos;
    captions.add_captions(
        vlm_.processor,
        data_.captioned[item(data_.captioned.size(), 1, (before + i) * shares + share)]);
  }
  for (int64_t i = 0; i < asked; ++i) {
    const auto number = ((step - recipe_.caption_steps) * asked + i) * shares + share;
    const auto& photo = data_.asked[item(data_.asked.size(), 2, number)];
    auto some = photo.questions;
    std::mt19937_64 rng(mix(recipe_.seed + 7 + mix(static_cast<uint64_t>(number))));
    shuffle(some, rng);
    if (static_cast<int64_t>(some.size()) > recipe_.questions)
      some.resize(static_cast<size_t>(recipe_.questions));
    questions.add_questions(vlm_.processor, photo, some);
  }
  std::vector<std::string> some;
  for (int64_t i = 0; i < texts; ++i)
    some.push_back(data_.texts[item(data_.texts.size(), 3, (step * texts + i) * shares + share)]);

  Share result;
  at::Tensor loss = at::zeros({});
  if (told > 0) {
    const auto own = weighted_mean(
        losses_of(logits(captions, features_of(captions.photos), true), captions.targets),
        captions.weights);
    result.losses.captions = own.item<double>();
    loss = loss + own * (static_cast<double>(told) / static_cast<double>(photos));
  }
  if (asked > 0) {
    const auto scores = logits(questions, features_of(questions.photos), true);
    const auto own = weighted_mean(losses_of(scores, questions.targets), questions.weights);
    result.losses.questions = own.item<double>();
    result.losses.answered = fraction_right(scores, questions);
    loss = loss + own * (static_cast<double>(asked) / static_cast<double>(photos));
  }
  if (!some.empty()) {
    lines.add_texts(vlm_.processor, some);
    at::Tensor before;
    {
      at::NoGradGuard no_grad;
      before = at::log_softmax(logits(lines, {}, false).to(at::kFloat), -1);
    }
    const auto after = at::log_softmax(logits(lines, {}, true).to(at::kFloat), -1);
    const auto divergence = (before.exp() * (before - after)).sum(-1).mean();
    result.losses.texts = divergence.item<double>();
    loss = loss + recipe_.text_weight * divergence;
  }
  result.grads = torch::autograd::grad({loss}, optimizer_->parameters(), {}, c10::nullopt, false,
                                       /*allow_unused=*/true);
  return result;
}

StepLosses PhotoTrainer::step() {
  const int threads = recipe_.threads;
  std::vector<Share> shares(static_cast<size_t>(threads));
  std::vector<std::exception_ptr> failures(static_cast<size_t>(threads));
  std::vector<std::thread> workers;
  // The orders of this step and the earlier ones, before the threads share them.
  const auto prepare = [&](size_t count, uint64_t stream, int64_t last) {
    const auto size = static_cast<int64_t>(count);
    for (int64_t first = 0; size > 0 && first <= last; first += size) item(count, stream, first);
  };
  const bool words = steps_ < recipe_.word_steps;
  prepare(data_.captioned.size(), 1, (steps_ + 1) * recipe_.photos);
  prepare(data_.asked.size(), 2, (steps_ + 1) * recipe_.photos);
  prepare(data_.texts.size(), 3, (steps_ + 1) * recipe_.texts);
  if (words) prepare(data_.captioned.size(), 4, (steps_ + 1) * recipe_.word_photos);
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      try {
        at::set_num_threads(1);
        shares[static_cast<size_t>(t)] = words ? learn_words(t) : learn(t);
      } catch (...) {
        failures[static_cast<size_t>(t)] = std::current_exception();
      }
    });
  for (auto& worker : workers) worker.join();
  for (auto& failure : failures)
    if (failure) std::rethrow_exception(failure);

  StepLosses mean;
  auto grads = shares[0].grads;
  for (size_t t = 0; t < shares.size(); ++t) {
    const auto& losses = shares[t].losses;
    mean.words += losses.words / threads;
    mean.captions += losses.captions / threads;
    mean.questions += losses.questions / threads;
    mean.texts += losses.texts / threads;
    mean.answered += losses.answered / threads;
    for (size_t i = 0; t > 0 && i < grads.size(); ++i) {
      const auto& other = shares[t].grads[i];
      if (other.defined()) grads[i] = grads[i].defined() ? grads[i] + other : other;
    }
  }
  for (auto& grad : grads)
    if (grad.defined()) grad = grad / threads;
  optimizer_->step(grads, recipe_.rate(steps_), recipe_.weight_decay, recipe_.clip);
  ++steps_;
  return mean;
}

double PhotoTrainer::caption_loss(const std::vector<Photo>& photos, bool swapped) const {
  at::NoGradGuard no_grad;
  double sum = 0, count = 0;
  constexpr size_t kBatch = 8;
  for (size_t begin = 0; begin < photos.size(); begin += kBatch) {
    PhotoBatch batch;
    std::vector<const Photo*> shown;
    for (size_t i = begin; i < std::min(photos.size(), begin + kBatch); ++i) {
      batch.add_captions(vlm_.processor, photos[i]);
      shown.push_back(&photos[swapped ? (i + 1) % photos.size() : i]);
    }
    const auto each = losses_of(logits(batch, features_of(shown), true), batch.targets);
    sum += each.sum().item<double>();
    count += static_cast<double>(batch.targets.size());
  }
  return sum / count;
}

void PhotoTrainer::save(const std::string& path) const {
  auto state = optimizer_->state();
  state.emplace_back("trained", at::full({1}, steps_, at::kLong));
  if (recipe_.blind) state.emplace_back("blind", at::ones({1}));
  write_safetensors(path, state);
}

void PhotoTrainer::resume(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, info] : file->tensors()) state[name] = file->tensor(name);
  if (state.count("trained") == 0)
    throw Error("photos::train", fmt::format("'{}' has no number of trained steps", path),
                "use a checkpoint of this program, or another file name");
  // A twin may begin with the networks of a model that sees, but not the other way around.
  if (state.count("blind") > 0 && !recipe_.blind)
    throw Error("photos::train", fmt::format("'{}' is the checkpoint of a blind twin", path),
                "give --blind, or another --checkpoint");
  steps_ = state["trained"].item<int64_t>();
  state.erase("trained");
  state.erase("blind");
  optimizer_->restore(state);
}

void PhotoTrainer::write_connector(const std::string& path,
                                   const std::map<std::string, std::string>& parts) const {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : parameters_)
    tensors.emplace_back(name, tensor.detach().to(at::kBFloat16).contiguous());
  auto metadata = parts;
  metadata["format"] = "pt";
  metadata["projector_hidden_size"] = std::to_string(recipe_.hidden);
  metadata["steps"] = std::to_string(steps_);
  metadata["seed"] = std::to_string(recipe_.seed);
  if (recipe_.blind) metadata["blind"] = "true";
  write_safetensors(path, tensors, metadata);
}

}  // namespace emend::photos

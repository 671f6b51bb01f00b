#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/caching/prefix.h"
#include "models/generation/decode_step.h"
#include "models/generation/sampling.h"
#include "models/prompting/request_batch.h"
#include "models/vlm.h"

namespace emend {
namespace {

void check(const GenerationOptions& options) {
  if (options.max_new_tokens < 1)
    throw Error("models::generate", fmt::format("max_new_tokens is {}", options.max_new_tokens),
                "it must be at least 1");
  if (!(options.temperature >= 0) || options.temperature > 1e6)
    throw Error("models::generate", fmt::format("temperature is {}", options.temperature),
                "it must be at least 0; 0 means greedy");
  if (!(options.top_p > 0) || options.top_p > 1)
    throw Error("models::generate", fmt::format("top_p is {}", options.top_p),
                "it must be above 0 and at most 1");
}

// Throws emend::Error if generation cannot start from this pass.
void check_begin(const Model& model, const Pass& pass) {
  if (pass.next > model.first_stage(Module::language))
    throw Error("models::generate", "the pass has already run stages of the language module",
                "use a pass at the start of the language module");
  const auto cached = pass.mask.size(1) - pass.ids.size(1);
  if ((cached > 0) != (pass.cache != nullptr) || !pass.mask.select(1, -1).all().item<bool>())
    throw Error("models::generate", "the pass is right-padded, or its cache has another length",
                "make the pass with PadSide::left");
}

void check_prompts(const GenerationOptions& options, int64_t rows) {
  if (static_cast<int64_t>(options.prompts.size()) != rows)
    throw Error("models::generate",
                fmt::format("there are {} prompts for {} rows", options.prompts.size(), rows),
                "settings of generation_config.json require the prompt of each row");
}

// Whether the tokens end with one of the sequences, which is then removed.
bool cut_at_stop(std::vector<int64_t>& tokens, const std::vector<std::vector<int64_t>>& sequences) {
  for (const auto& sequence : sequences) {
    if (sequence.empty() || sequence.size() > tokens.size() ||
        !std::equal(sequence.rbegin(), sequence.rend(), tokens.rbegin()))
      continue;
    tokens.resize(tokens.size() - sequence.size());
    return true;
  }
  return false;
}

}  // namespace

Pass decode_step(const Model& model, const Pass& last, const at::Tensor& tokens) {
  const int64_t rows = last.ids.size(0);
  Pass next;
  next.ids = tokens.view({rows, 1}).to(last.ids.device());
  next.mask = at::cat({last.mask, at::ones({rows, 1}, last.mask.options())}, 1);
  next.positions = last.positions.slice(1, -1) + 1;
  if (last.rotary_positions.defined()) {
    const auto& axes = last.rotary_positions;
    next.rotary_positions =
        (axes.slice(2, -1).amax(0, /*keepdim=*/true) + 1).expand_as(axes.slice(2, -1));
  }
  if (last.segments.defined())
    next.segments = at::cat({last.segments, last.segments.slice(1, -1)}, 1);
  next.logit_positions = at::arange(rows, last.ids.options());
  next.cache = last.cache;
  next.next = model.first_stage(Module::language);
  return next;
}

std::string answer_text(const Processor& processor, const std::vector<int64_t>& tokens) {
  // The model's vocabulary can be larger than the tokenizer's. Such a token has no text.
  std::vector<int64_t> spoken;
  for (auto token : tokens)
    if (token < processor.tokenizer->size()) spoken.push_back(token);
  auto text = processor.tokenizer->decode(spoken);
  const char* space = " \t\r\n";
  const auto begin = text.find_first_not_of(space);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

std::vector<std::vector<int64_t>> generate_tokens(const Model& model, const Batch& batch,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions,
                                                  const GenerationOptions& options) {
  return generate_tokens(model, model.collate(batch, PadSide::left), stop_tokens, interventions,
                         options);
}

std::vector<std::vector<int64_t>> generate_tokens(const Model& model, Pass pass,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions,
                                                  const GenerationOptions& options) {
  std::vector<std::vector<int64_t>> all;
  for (auto& row : generate_rows(model, std::move(pass), stop_tokens, interventions, options))
    all.push_back(std::move(row.tokens));
  return all;
}

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::max_new_tokens:
      return "max_new_tokens";
    case FinishReason::max_length:
      return "max_length";
    case FinishReason::max_position_embeddings:
      return "max_position_embeddings";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "";
}

GenerationOptions with_folder_settings(GenerationOptions options, const Vlm& vlm,
                                       const Batch& batch) {
  const auto& processor = vlm.processor;
  const auto& stops = processor.layout.stop_sequences;
  options.stop_sequences.insert(options.stop_sequences.end(), stops.begin(), stops.end());
  options.config = processor.generation;
  options.prompts.clear();
  for (const auto& row : batch.rows) {
    options.prompts.push_back(row.ids);
    if (processor.layout.image_token)
      std::replace(options.prompts.back().begin(), options.prompts.back().end(), kImageToken,
                   *processor.layout.image_token);
  }
  return options;
}

std::vector<GeneratedTokens> generate_rows(const Model& model, Pass pass,
                                           const std::vector<int64_t>& stop_tokens,
                                           const Interventions& interventions,
                                           const GenerationOptions& options) {
  check(options);
  at::NoGradGuard no_grad;
  check_begin(model, pass);
  const int64_t rows = pass.ids.size(0), length = pass.ids.size(1);
  pass.logit_positions = (at::arange(rows, pass.ids.options()) + 1) * length - 1;
  // A copy, so that the pass can be used again.
  pass.cache = pass.cache ? std::make_shared<KvCache>(*pass.cache) : std::make_shared<KvCache>();
  const auto& config = options.config;
  const bool processes = config.changes_logits();
  auto ids = options.prompts;  // with the generated tokens, if the configuration uses them
  if (processes || config.max_length > 0) check_prompts(options, rows);

  // Each row has its own random number generator, so that its answer does not depend on the other
  // rows.
  std::vector<std::mt19937_64> random;
  for (int64_t r = 0; r < rows; ++r) {
    std::seed_seq seed{static_cast<uint32_t>(options.seed),
                       static_cast<uint32_t>(options.seed >> 32), static_cast<uint32_t>(r)};
    random.emplace_back(seed);
  }

  std::vector<GeneratedTokens> made(rows);
  std::vector<bool> done(rows, false);
  for (int64_t step = 0;; ++step) {
    model.run(pass, interventions);
    auto logits = pass.logits();
    if (processes) {
      std::vector<at::Tensor> each;
      for (int64_t r = 0; r < rows; ++r)
        each.push_back(
            processed_logits(config, stop_tokens, ids[r], options.prompts[r].size(), logits[r]));
      logits = at::stack(each);
    }
    auto chosen = options.temperature > 0 ? std::vector<int64_t>(rows) : choose_greedy(logits);
    for (int64_t r = 0; r < rows; ++r) {
      if (options.temperature > 0)
        chosen[r] = choose_sampled(logits[r], options.temperature, options.top_p, random[r]);
      done[r] = done[r] ||
                std::find(stop_tokens.begin(), stop_tokens.end(), chosen[r]) != stop_tokens.end();
      if (done[r]) {
        chosen[r] = 0;  // an arbitrary token, which is not used
        continue;
      }
      auto& row = made[r];
      row.tokens.push_back(chosen[r]);
      if (processes) ids[r].push_back(chosen[r]);
      done[r] = cut_at_stop(row.tokens, options.stop_sequences);
      if (!done[r] && options.on_tokens && !options.on_tokens(r, row.tokens)) {
        done[r] = true;
        row.finish_reason = FinishReason::cancelled;
      }
      if (done[r] || config.max_length == 0 ||
          static_cast<int64_t>(options.prompts[r].size()) + step + 1 < config.max_length)
        continue;
      done[r] = true;
      row.finish_reason = FinishReason::max_length;
    }
    const bool full = pass.positions.max().item<int64_t>() + 1 >= model.max_positions();
    const bool last = step + 1 == options.max_new_tokens;
    const bool all = std::find(done.begin(), done.end(), false) == done.end();
    if (!all && (full || last))
      for (int64_t r = 0; r < rows; ++r)
        if (!done[r])
          made[r].finish_reason =
              last ? FinishReason::max_new_tokens : FinishReason::max_position_embeddings;
    if (all || full || last) return made;
    pass = decode_step(model, pass, at::tensor(chosen, at::kLong));
  }
}

std::vector<std::string> generate(const Vlm& vlm, const std::vector<Query>& queries,
                                  const Interventions& interventions,
                                  const GenerationOptions& options, ActivationStore* store) {
  std::vector<std::string> texts;
  for (auto& answer : generate_answers(vlm, queries, interventions, options, store))
    texts.push_back(std::move(answer.text));
  return texts;
}

std::vector<Answer> generate_answers(const Vlm& vlm, const std::vector<Query>& queries,
                                     const Interventions& interventions,
                                     const GenerationOptions& options, ActivationStore* store) {
  if (queries.empty()) return {};
  const auto batch = request_batch(vlm, queries, interventions);
  const auto& model = *vlm.model;
  const auto pass = forward_until(vlm, batch, model.first_stage(Module::language), interventions,
                                  store, PadSide::left);
  std::vector<Answer> answers;
  for (const auto& row : generate_rows(model, pass, vlm.processor.stop_tokens, interventions,
                                       with_folder_settings(options, vlm, batch)))
    answers.push_back({answer_text(vlm.processor, row.tokens), row.finish_reason});
  return answers;
}

}  // namespace emend

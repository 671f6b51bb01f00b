#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/choose.h"
#include "models/next_pass.h"
#include "models/prefix.h"
#include "models/request_batch.h"
#include "models/vlm.h"

namespace emend {
namespace {

void check(const GenerationOptions& options) {
  if (options.max_new_tokens < 1)
    throw Error("models::generate", fmt::format("max_new_tokens is {}", options.max_new_tokens),
                "it must be at least 1");
  if (!(options.temperature >= 0) || options.temperature > 1e6)
    throw Error("models::generate", fmt::format("temperature is {}", options.temperature),
                "0 is greedy");
  if (!(options.top_p > 0) || options.top_p > 1)
    throw Error("models::generate", fmt::format("top_p is {}", options.top_p),
                "it must be above 0 and at most 1");
}

// Or the error that it cannot begin here.
void check_begin(const Model& model, const Pass& pass) {
  if (pass.next > model.first_stage(Module::language))
    throw Error("models::generate", "the pass has run stages of the language module already",
                "generate from a pass that stands before them");
  const auto cached = pass.mask.size(1) - pass.ids.size(1);
  if ((cached > 0) != (pass.cache != nullptr) || !pass.mask.select(1, -1).all().item<bool>())
    throw Error("models::generate", "the pass is padded on the right, or its cache is not its own",
                "begin it with PadSide::left");
}

// Whether the tokens end with one of the sequences, which is then taken off.
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

Pass next_pass(const Model& model, const Pass& last, const at::Tensor& tokens) {
  const int64_t rows = last.ids.size(0);
  Pass next;
  next.ids = tokens.view({rows, 1}).to(last.ids.device());
  next.mask = at::cat({last.mask, at::ones({rows, 1}, last.mask.options())}, 1);
  next.positions = last.positions.slice(1, -1) + 1;
  if (last.segments.defined())
    next.segments = at::cat({last.segments, last.segments.slice(1, -1)}, 1);
  next.wanted = at::arange(rows, last.ids.options());
  next.cache = last.cache;
  next.next = model.first_stage(Module::language);
  return next;
}

std::string answer_text(const Processor& processor, const std::vector<int64_t>& tokens) {
  // Models pad their vocabulary beyond the tokenizer's: such a token has no text.
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
  return generate_tokens(model, model.begin(batch, PadSide::left), stop_tokens, interventions,
                         options);
}

std::vector<std::vector<int64_t>> generate_tokens(const Model& model, Pass pass,
                                                  const std::vector<int64_t>& stop_tokens,
                                                  const Interventions& interventions,
                                                  const GenerationOptions& options) {
  check(options);
  at::NoGradGuard no_grad;
  check_begin(model, pass);
  const int64_t rows = pass.ids.size(0), length = pass.ids.size(1);
  pass.wanted = (at::arange(rows, pass.ids.options()) + 1) * length - 1;
  // Its own, so that the pass can be used again.
  pass.cache = pass.cache ? std::make_shared<KvCache>(*pass.cache) : std::make_shared<KvCache>();

  // A row's own generator: what it draws does not depend on the rows beside it.
  std::vector<std::mt19937_64> random;
  for (int64_t r = 0; r < rows; ++r) {
    std::seed_seq seed{static_cast<uint32_t>(options.seed),
                       static_cast<uint32_t>(options.seed >> 32), static_cast<uint32_t>(r)};
    random.emplace_back(seed);
  }

  std::vector<std::vector<int64_t>> made(rows);
  std::vector<bool> done(rows, false);
  for (int64_t step = 0;; ++step) {
    model.run(pass, interventions);
    auto chosen =
        options.temperature > 0 ? std::vector<int64_t>(rows) : choose_greedy(pass.logits());
    for (int64_t r = 0; r < rows; ++r) {
      if (options.temperature > 0)
        chosen[r] = choose_sampled(pass.logits()[r], options.temperature, options.top_p, random[r]);
      done[r] = done[r] ||
                std::find(stop_tokens.begin(), stop_tokens.end(), chosen[r]) != stop_tokens.end();
      if (done[r]) {
        chosen[r] = 0;  // fed on, never read
        continue;
      }
      made[r].push_back(chosen[r]);
      done[r] = cut_at_stop(made[r], options.stop_sequences);
    }
    const bool full = pass.positions.max().item<int64_t>() + 1 >= model.max_positions();
    const bool all = std::find(done.begin(), done.end(), false) == done.end();
    if (all || full || step + 1 == options.max_new_tokens) return made;
    pass = next_pass(model, pass, at::tensor(chosen, at::kLong));
  }
}

std::vector<std::string> generate(const Vlm& vlm, const std::vector<Query>& queries,
                                  const Interventions& interventions,
                                  const GenerationOptions& options, ActivationStore* store) {
  if (queries.empty()) return {};
  const auto batch = request_batch(vlm, queries, interventions);
  const auto& model = *vlm.model;
  const auto pass = run_prefix(vlm, batch, model.first_stage(Module::language), interventions,
                               store, PadSide::left);
  auto with_stops = options;
  const auto& stops = vlm.processor.layout.stop_sequences;
  with_stops.stop_sequences.insert(with_stops.stop_sequences.end(), stops.begin(), stops.end());
  std::vector<std::string> answers;
  for (const auto& tokens :
       generate_tokens(model, pass, vlm.processor.stop_tokens, interventions, with_stops))
    answers.push_back(answer_text(vlm.processor, tokens));
  return answers;
}

}  // namespace emend

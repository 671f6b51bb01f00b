#include "serving/api/orders/ask.h"

#include <algorithm>

#include "editing/editors/failed_tokens.h"
#include "io/hash.h"
#include "models/caching/prefix.h"
#include "models/prompting/request_batch.h"
#include "serving/answer_stream.h"

namespace emend {
namespace {

using nlohmann::json;

// float32 logits that predict each token of the answer and the token after it: (tokens + 1, V).
at::Tensor answer_logits(const Vlm& vlm, Batch batch, const std::vector<int64_t>& answer,
                         const Interventions& interventions, ActivationStore* store) {
  auto& row = batch.rows.front();
  const auto begin = static_cast<int64_t>(row.ids.size());
  if (row.prompt_length < 0) row.prompt_length = begin;
  row.ids.insert(row.ids.end(), answer.begin(), answer.end());
  if (!row.segments.empty()) row.segments.resize(row.ids.size(), row.segments.back());
  auto pass =
      forward_until(vlm, batch, vlm.model->first_stage(Module::language), interventions, store);
  pass.logit_positions =
      at::arange(begin - 1, static_cast<int64_t>(row.ids.size()), pass.ids.options());
  vlm.model->run(pass, interventions);
  return pass.logits().to(at::kFloat).to(at::kCPU).contiguous();
}

// The token that ended a complete answer: the most probable one that can.
int64_t end_token(const Vlm& vlm, const at::Tensor& logits) {
  auto ends = vlm.processor.stop_tokens;
  for (const auto& sequence : vlm.processor.layout.stop_sequences)
    if (!sequence.empty()) ends.push_back(sequence.front());
  if (ends.empty()) return 0;
  const auto* row = logits.data_ptr<float>();
  return *std::max_element(ends.begin(), ends.end(),
                           [&](int64_t a, int64_t b) { return row[a] < row[b]; });
}

json most_probable(const Vlm& vlm, const at::Tensor& probabilities, int64_t count) {
  const auto [values, ids] = probabilities.topk(std::min(count, probabilities.size(0)));
  auto all = json::array();
  for (int64_t i = 0; i < values.size(0); ++i)
    all.push_back({{"text", token_text(*vlm.processor.tokenizer, ids[i].item<int64_t>())},
                   {"probability", values[i].item<float>()}});
  return all;
}

}  // namespace

json ask_with_probabilities(const Vlm& vlm, const PatchStack& stack, const AskRequest& request,
                            ActivationStore* store) {
  at::NoGradGuard no_grad;
  const auto interventions = stack.interventions(vlm, store);
  const auto batch = request_batch(vlm, {request.query}, interventions);
  GenerationOptions options;
  options.max_new_tokens = request.max_new_tokens;
  const auto pass = forward_until(vlm, batch, vlm.model->first_stage(Module::language),
                                  interventions, store, PadSide::left);
  const auto row = generate_rows(*vlm.model, pass, vlm.processor.stop_tokens, interventions,
                                 with_folder_settings(options, vlm, batch))
                       .front();
  const bool complete = row.finish_reason == FinishReason::stop;
  const auto logits = answer_logits(vlm, batch, row.tokens, interventions, store);
  const auto probabilities = at::softmax(logits, -1);

  const auto count = static_cast<int64_t>(row.tokens.size());
  auto tokens = json::array();
  AnswerStream text({});
  for (int64_t i = 0; i < count + (complete ? 1 : 0); ++i) {
    const bool end = i == count;
    const auto at = row.tokens.begin() + std::min(i + 1, count);
    const auto id = end ? end_token(vlm, logits[i]) : row.tokens[static_cast<size_t>(i)];
    json token = {{"text", end ? ""
                               : text.advance(answer_text(vlm.processor, {row.tokens.begin(), at}),
                                              i + 1 == count)},
                  {"probability", probabilities[i][id].item<float>()},
                  {"alternatives", most_probable(vlm, probabilities[i], request.alternatives)}};
    if (end) token["end"] = true;
    tokens.push_back(std::move(token));
  }
  // Without the position after a truncated answer, whose token was not generated.
  const auto used = logits.slice(0, 0, static_cast<int64_t>(tokens.size())).contiguous();
  const std::string_view bytes(static_cast<const char*>(used.data_ptr()), used.nbytes());
  return {{"answer", text.text()},
          {"prompt", vlm.processor.prompt(request.query.text, request.query.pictures())},
          {"truncated", !complete},
          {"tokens", tokens},
          {"logits", hash_hex(bytes)}};
}

}  // namespace emend

#include "suites/mmedit/row.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {
namespace {

struct Field {
  const char* name;
  std::string MmeditRow::*text;
  bool always;  // required in every kind of file
  bool answer = false;
};

constexpr Field kFields[] = {{"src", &MmeditRow::src, true},
                             {"rephrase", &MmeditRow::rephrase, false},
                             {"pred", &MmeditRow::pred, false, true},
                             {"alt", &MmeditRow::alt, true, true},
                             {"image", &MmeditRow::image, true},
                             {"image_rephrase", &MmeditRow::image_rephrase, false},
                             {"loc", &MmeditRow::loc, false},
                             {"loc_ans", &MmeditRow::loc_ans, false, true},
                             {"m_loc", &MmeditRow::m_loc, false},
                             {"m_loc_q", &MmeditRow::m_loc_q, false},
                             {"m_loc_a", &MmeditRow::m_loc_a, false, true}};

std::string read_field(const RowFields& fields, const Field& field, bool needed) {
  if (field.answer) return needed ? fields.answer(field.name) : fields.answer_or_empty(field.name);
  return needed ? fields.text(field.name) : fields.text_or_empty(field.name);
}

std::vector<MmeditRow::Consequence> parse_port_new(const RowFields& fields) {
  std::vector<MmeditRow::Consequence> all;
  for (const auto& one : fields.objects("port_new")) {
    MmeditRow::Consequence consequence;
    // VLKEB's multi-hop files nest the fields of its one-hop file.
    if (one.has("Q&A")) {
      const auto asked = one.object("Q&A");
      consequence = {asked.text("Question"), asked.answer("Answer"), true};
    } else {
      consequence = {one.text("port_q"), one.answer("port_a"), !one.flag("port_text_only")};
    }
    if (!consequence.question.empty() && !consequence.answer.empty())
      all.push_back(std::move(consequence));
  }
  return all;
}

std::string reason_to_leave_out(const MmeditRow& row, MmeditKind kind) {
  for (const auto& field : kFields) {
    if (!(row.*field.text).empty()) continue;
    bool asked_for = kind == MmeditKind::vqa || field.always;
    if (asked_for) return std::string("empty ") + field.name;
  }
  return {};
}

}  // namespace

MmeditRow parse_mmedit_row(const RowFields& fields, MmeditKind kind) {
  if (!fields.has("image") && fields.has("src") && fields.has("alt"))
    throw Error(
        "suites::mmedit", fmt::format("'{}' has no 'image'", fields.where()),
        "this suite needs pictures; use --suite counterfact for rows without pictures, also in "
        "zsRE's format");
  MmeditRow row;
  for (const auto& field : kFields)
    row.*field.text = read_field(fields, field, field.always || kind != MmeditKind::any);
  for (const auto* name : {&row.image, &row.image_rephrase, &row.m_loc})
    if (name->find('\0') != std::string::npos)
      throw Error("suites::mmedit",
                  fmt::format("'{}': the name of a picture contains a null byte", fields.where()),
                  "correct the file");
  row.port_new = parse_port_new(fields);
  row.filtered = reason_to_leave_out(row, kind);
  return row;
}

std::vector<Probe> mmedit_probes(const MmeditRow& row, const MmeditImages& pictures, bool grid) {
  std::vector<Probe> probes;
  auto add = [&](Group group, const std::string& image, const std::string& text,
                 const std::string& answer, bool similar = false) {
    probes.push_back({group, {image, nullptr}, text, answer, similar});
  };
  const bool reworded = !row.rephrase.empty(), redrawn = !pictures.image_rephrase.empty();
  const bool elsewhere = !pictures.m_loc.empty();
  const bool aside = !row.m_loc_q.empty() && !row.m_loc_a.empty();

  add(Group::reliability, pictures.image, row.src, row.alt);
  if (reworded) add(Group::text_generality, pictures.image, row.rephrase, row.alt);
  if (redrawn) add(Group::image_generality, pictures.image_rephrase, row.src, row.alt);
  // The prefix `nq question: ` is kept, as in EasyEdit.
  if (!row.loc.empty() && !row.loc_ans.empty()) add(Group::text_locality, {}, row.loc, row.loc_ans);
  if (elsewhere && aside) add(Group::image_locality, pictures.m_loc, row.m_loc_q, row.m_loc_a);
  for (const auto& one : row.port_new)
    add(Group::portability, one.of_picture ? pictures.image : std::string(), one.question,
        one.answer);
  if (!grid) return probes;

  if (reworded && redrawn)
    add(Group::both_generality, pictures.image_rephrase, row.rephrase, row.alt);
  // The question may not fit the unrelated picture, and the correct answer is unknown: the probe
  // only checks that the answer does not change. The same answer is used before and after in
  // teacher forcing; the model's earlier answer is the most likely one.
  const auto& fed = row.pred.empty() ? row.alt : row.pred;
  if (elsewhere) {
    add(Group::random_image_locality, pictures.m_loc, row.src, fed);
    if (reworded) add(Group::random_image_locality, pictures.m_loc, row.rephrase, fed, true);
  }
  add(Group::no_image_locality, {}, row.src, fed);
  if (reworded) add(Group::no_image_locality, {}, row.rephrase, fed, true);
  if (aside) {
    add(Group::consistent_image_locality, pictures.image, row.m_loc_q, row.m_loc_a);
    if (redrawn)
      add(Group::consistent_image_locality, pictures.image_rephrase, row.m_loc_q, row.m_loc_a,
          true);
  }
  return probes;
}

}  // namespace emend

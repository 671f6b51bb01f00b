#pragma once

#include <string>
#include <vector>

#include "suites/facts/row_fields.h"
#include "suites/record.h"

namespace emend {

// Which of a row's fields must be there, and which rows the field's own readers leave out.
enum class MmeditKind {
  vqa,      // E-VQA, VLKEB: all fields; rows with any empty text are left out
  caption,  // E-IC: all fields; rows with an empty target (or no prompt or image) are left out
  any,      // the same, and only src, alt and image must be there; what is not has no probe
};

// An object of MMEdit's or VLKEB's files.
struct MmeditRow {
  std::string src, rephrase, pred, alt, image, image_rephrase;
  std::string loc, loc_ans, m_loc, m_loc_q, m_loc_a;
  struct Consequence {
    std::string question, answer;
    bool of_picture;  // asked with the edit's image
  };
  std::vector<Consequence> port_new;
  // Why the row is left out, e.g. "empty alt"; empty: it is not.
  std::string filtered;
};

// Throws emend::Error for a field that is missing or of another type. Answers may be numbers or
// lists of one (suites/facts/row_fields.h).
MmeditRow parse_mmedit_row(const RowFields& fields, MmeditKind kind);

// Where a row's pictures are. An empty path: the picture is not to be had.
struct MmeditPictures {
  std::string image, image_rephrase, m_loc;
};

// What the row asks, as far as its pictures are to be had. `grid`: the T x I grid's other cells
// too.
std::vector<Probe> mmedit_probes(const MmeditRow& row, const MmeditPictures& pictures, bool grid);

}  // namespace emend

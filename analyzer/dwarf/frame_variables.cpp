#include "analyzer/dwarf/frame_variables.h"

#include "analyzer/base/archive.h"
#include "analyzer/base/child.h"
#include "analyzer/dwarf/variable_reader.h"

namespace mx::analyzer {

template <class A>
void fields(A& a, VariablePlace& p) {
  a& p.kind& p.base& p.value;
}
template <class A>
void fields(A& a, FrameVariable& v) {
  a& v.name& v.type& v.size& v.aggregate;
}
template <class A>
void fields(A& a, PlacedVariable& v) {
  a& v.variable& v.place;
}
template <class A>
void fields(A& a, VariablesAt& v) {
  a& v.address& v.places;
}
template <class A>
void fields(A& a, Passed& p) {
  a& p.type& p.size& p.kind& p.reg;
}
template <class A>
void fields(A& a, FunctionVariables& f) {
  a& f.known& f.variables& f.at& f.extents& f.result& f.parameters& f.variadic;
}

namespace {

bool well_formed(const FunctionVariables& f, const VariableRequest& request) {
  auto inside = [&](const std::vector<PlacedVariable>& list) {
    for (const PlacedVariable& p : list)
      if (p.variable >= f.variables.size()) return false;
    return true;
  };
  if (!f.known) return f.at.empty();
  if (f.at.size() != request.addresses.size() || !inside(f.extents)) return false;
  for (const VariablesAt& a : f.at)
    if (!inside(a.places)) return false;
  return true;
}

}  // namespace

std::string FunctionVariables::signature() const {
  std::string text = "(";
  for (const Passed& p : parameters) text += (text.size() > 1 ? ", " : "") + p.type;
  if (variadic) text += text.size() > 1 ? ", ..." : "...";
  return text + ")";
}

Result<std::vector<FunctionVariables>> read_frame_variables(
    const Image& image, const std::vector<VariableRequest>& requests) {
  const std::string what = image.path() + " (DWARF of frames)";
  if (!image.section(".debug_info")) return Error{what + ": there is none"};
  auto bytes = run_in_child(what, ChildLimits{}, [&] {
    ArchiveWriter out;
    out& read_variables_with_libdw(image.path(), requests);
    return out.bytes();
  });
  if (!bytes) return bytes.error();
  std::vector<FunctionVariables> answers;
  ArchiveReader in(bytes.value());
  in& answers;
  bool good = !in.failed() && answers.size() == requests.size();
  for (size_t k = 0; good && k < answers.size(); ++k) good = well_formed(answers[k], requests[k]);
  if (!good) return Error{what + ": the parser's result is damaged"};
  return answers;
}

}  // namespace mx::analyzer

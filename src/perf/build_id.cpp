// The note that the linker leaves in every program and library (ELF, "Notes on build-id").

#include <link.h>

#include <cstring>
#include <string>

#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Whether a loaded object holds this very code, and what its note says.
struct Search {
  ElfW(Addr) code;
  std::string id;
};

std::string note_text(const char* at, const char* end) {
  while (end - at >= static_cast<std::ptrdiff_t>(sizeof(ElfW(Nhdr)))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const std::size_t name = (note.n_namesz + 3u) / 4 * 4, body = (note.n_descsz + 3u) / 4 * 4;
    at += sizeof note;
    if (static_cast<std::size_t>(end - at) < name + body) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(at, "GNU", 4) == 0) {
      std::string text;
      for (std::size_t i = 0; i < note.n_descsz; ++i) {
        const auto byte = static_cast<unsigned char>(at[name + i]);
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
      }
      return text;
    }
    at += name + body;
  }
  return {};
}

int visit(dl_phdr_info* object, std::size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  bool here = false;
  std::string id;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    const ElfW(Addr) from = object->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && search.code >= from && search.code < from + part.p_memsz) here = true;
    if (part.p_type == PT_NOTE && id.empty()) {
      const auto* const notes = reinterpret_cast<const char*>(from);  // NOLINT(performance-no-int-to-ptr): the loader's
      id = note_text(notes, notes + part.p_memsz);
    }
  }
  if (!here) return 0;
  search.id = id;
  return 1;
}

}  // namespace

std::string build_id() {
  Search search{reinterpret_cast<ElfW(Addr)>(&visit), {}};
  dl_iterate_phdr(visit, &search);
  return search.id;
}

}  // namespace plumb

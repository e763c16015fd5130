// inflateInit2 is a macro that hands over the size of the struct it was compiled with.
#ifndef ROLLOUT_CZLIB_SHIM_H
#define ROLLOUT_CZLIB_SHIM_H
#include <zlib.h>

static inline int cz_inflate_init(z_stream *stream, int window_bits) {
  return inflateInit2(stream, window_bits);
}
#endif

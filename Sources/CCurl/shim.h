// libcurl's option setters are variadic macros that Swift cannot import: one typed function each.
#ifndef ROLLOUT_CCURL_SHIM_H
#define ROLLOUT_CCURL_SHIM_H
#include <curl/curl.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#undef curl_share_setopt

typedef size_t (*cc_data_callback)(char *, size_t, size_t, void *);

static inline CURLcode cc_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
static inline CURLcode cc_set_long(CURL *h, CURLoption o, long v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_offset(CURL *h, CURLoption o, curl_off_t v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_string(CURL *h, CURLoption o, const char *v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_pointer(CURL *h, CURLoption o, void *v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_list(CURL *h, CURLoption o, struct curl_slist *v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_callback(CURL *h, CURLoption o, cc_data_callback v) {
  return curl_easy_setopt(h, o, v);
}
static inline CURLcode cc_set_opensocket(CURL *h, curl_opensocket_callback f) {
  return curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, f);
}
static inline CURLcode cc_set_prerequest(CURL *h, curl_prereq_callback f) {
  return curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, f);
}
static inline CURLcode cc_set_closesocket(CURL *h, curl_closesocket_callback f, void *context) {
  CURLcode code = curl_easy_setopt(h, CURLOPT_CLOSESOCKETFUNCTION, f);
  return code != CURLE_OK ? code : curl_easy_setopt(h, CURLOPT_CLOSESOCKETDATA, context);
}
// What CURLOPT_PRIVATE was set to; NULL for nothing.
static inline void *cc_private(CURL *h) {
  char *p = NULL;
  return curl_easy_getinfo(h, CURLINFO_PRIVATE, &p) == CURLE_OK ? p : NULL;
}
static inline CURLcode cc_get_offset(CURL *h, CURLINFO i, curl_off_t *v) {
  return curl_easy_getinfo(h, i, v);
}
static inline CURLMcode cc_multi_long(CURLM *m, CURLMoption o, long v) {
  return curl_multi_setopt(m, o, v);
}
static inline CURLMcode cc_multi_pointer(CURLM *m, CURLMoption o, void *v) {
  return curl_multi_setopt(m, o, v);
}
static inline CURLMcode cc_multi_socket(CURLM *m, curl_socket_callback f) {
  return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, f);
}
static inline CURLMcode cc_multi_timer(CURLM *m, curl_multi_timer_callback f) {
  return curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, f);
}
// For one thread: libcurl asks for no locks when it is given no functions to take them with.
static inline CURLSHcode cc_share(CURLSH *s, curl_lock_data what) {
  return curl_share_setopt(s, CURLSHOPT_SHARE, what);
}
static inline CURLcode cc_message_result(CURLMsg *m) { return m->data.result; }
#endif

/*
 * An authority and certificates for tests, made with OpenSSL in a folder: ca.pem, NAME.pem, NAME.key. `authority` is
 * the name of the files of the authority, so that a stranger can have another one.
 */
#ifndef HM_TEST_CERTIFICATES_H
#define HM_TEST_CERTIFICATES_H

void certificate_make_authority(const char *folder, const char *authority);
/* Signed by it. `days` below 0: it has expired. `site` is its common name and DNS name; a list with commas
 * gives several DNS names. */
void certificate_make(const char *folder, const char *authority, const char *file, const char *site,
                      int days);

#endif

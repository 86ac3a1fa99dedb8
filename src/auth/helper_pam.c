/* helper_pam - one PAM conversation: the password is the answer to every hidden prompt. Blocks;
 * runs in a thread of weirpool-auth-helper. */
#include "helper_int.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef WITH_PAM
#include <security/pam_appl.h>

static void give_back(struct pam_response *answers, int n)
{
	for (int i = 0; i < n; i++) {
		if (answers[i].resp) {
			explicit_bzero(answers[i].resp, strlen(answers[i].resp));
			free(answers[i].resp);
		}
	}
	free(answers);
}

/* PAM frees what we answer, so it comes from malloc. */
static int converse(int n, const struct pam_message **msg, struct pam_response **resp_r, void *arg)
{
	struct pam_response *answers;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	answers = calloc((size_t)n, sizeof *answers);
	if (answers == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		int style = msg[i]->msg_style;

		if (style == PAM_TEXT_INFO || style == PAM_ERROR_MSG)
			continue;
		if (style == PAM_PROMPT_ECHO_OFF)
			answers[i].resp = strdup(arg);
		if (answers[i].resp == NULL) { /* a visible prompt: nobody is there to answer */
			give_back(answers, n);
			return PAM_CONV_ERR;
		}
	}
	*resp_r = answers;
	return PAM_SUCCESS;
}

/* Which results say "not this user or password" rather than "cannot tell"? */
static enum helper_verdict verdict_of(int rc)
{
	if (rc == PAM_SUCCESS)
		return HELPER_OK;
	if (rc == PAM_AUTH_ERR || rc == PAM_USER_UNKNOWN || rc == PAM_MAXTRIES ||
		rc == PAM_ACCT_EXPIRED || rc == PAM_NEW_AUTHTOK_REQD || rc == PAM_PERM_DENIED ||
		rc == PAM_CRED_INSUFFICIENT)
		return HELPER_DENIED;
	return HELPER_FAILED;
}

enum helper_verdict helper_do_pam(
	const char *service, const char *user, const char *pw, const char *rhost, char *why)
{
	struct pam_conv conv = { converse, (void *)(uintptr_t)pw };
	pam_handle_t *h = NULL;
	int rc;

	rc = pam_start(service, user, &conv, &h);
	if (rc == PAM_SUCCESS && *rhost)
		rc = pam_set_item(h, PAM_RHOST, rhost);
	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc == PAM_SUCCESS)
		rc = pam_acct_mgmt(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	(void)snprintf(why, HELPER_REASON_MAX, "PAM: %s", h ? pam_strerror(h, rc) : "cannot start");
	if (h)
		(void)pam_end(h, rc);
	return verdict_of(rc);
}
#else
enum helper_verdict helper_do_pam(
	const char *service, const char *user, const char *pw, const char *rhost, char *why)
{
	(void)service, (void)user, (void)pw, (void)rhost;
	(void)snprintf(why, HELPER_REASON_MAX, "built without PAM");
	return HELPER_FAILED;
}
#endif

enum helper_verdict helper_do_uid(uint32_t uid, char *why)
{
	struct passwd pw, *found = NULL;
	char text[16384];
	int rc = getpwuid_r((uid_t)uid, &pw, text, sizeof text, &found);

	if (rc != 0) {
		(void)snprintf(
			why, HELPER_REASON_MAX, "cannot look up uid %u: %s", uid, strerror(rc));
		return HELPER_FAILED;
	}
	if (found == NULL || strlen(pw.pw_name) >= HELPER_REASON_MAX) {
		(void)snprintf(why, HELPER_REASON_MAX, "uid %u has no name", uid);
		return HELPER_DENIED;
	}
	(void)snprintf(why, HELPER_REASON_MAX, "%s", pw.pw_name);
	return HELPER_OK;
}

#include "agent/config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

/* -- a stand-in for the environment ----------------------------------------------------------- */

static const char *environment[8]; /* NAME=VALUE, ends in NULL */

static const char *fake_env(const char *variable)
{
    size_t n = strlen(variable);
    for (const char **e = environment; *e; e++)
        if (!strncmp(*e, variable, n) && (*e)[n] == '=')
            return *e + n + 1;
    return NULL;
}

static struct agent_config parse(const char *text)
{
    struct agent_config c;
    struct hm_error err = {0};
    int rc = config_parse("h.yaml", text, strlen(text), fake_env, &c, &err);
    ck_assert_msg(rc >= 0, "%s", err.text);
    return c;
}

static void empty_environment(void)
{
    environment[0] = NULL;
}

/* -- what is read ----------------------------------------------------------------------------- */

#if HM_WITH_NETALLOC
START_TEST(virtual_ips_are_read)
{
    struct agent_config c = parse("site_id: site-a\n"
                                  "failover:\n"
                                  "  vip:\n"
                                  "    - {address: 192.0.2.10/24, link: eth0}\n"
                                  "    - {address: 2001:DB8::10/64, link: br-lan}\n");
    ck_assert_uint_eq(c.failover.vips.count, 2);
    ck_assert_str_eq(c.failover.vips.wants[0].link, "eth0");
    ck_assert(!c.failover.vips.wants[0].address.is_v6);
    ck_assert_uint_eq(c.failover.vips.wants[1].address.prefix, 64);
    ck_assert_str_eq(c.failover.vips.wants[1].link, "br-lan");
    config_clear(&c);
}
END_TEST
#endif

START_TEST(defaults_are_filled_in)
{
    struct agent_config c = parse("site_id: site-a\n");
    ck_assert_str_eq(c.site_id, "site-a");
    ck_assert_str_eq(c.state_dir, "/var/lib/harmony");
    ck_assert_str_eq(c.runtime_dir, "/run/harmony");
    ck_assert_str_eq(c.nats.servers, "nats://127.0.0.1:4222");
    ck_assert_ptr_null(c.nats.credentials);
    ck_assert_ptr_null(c.nats.tls_ca);
    ck_assert_str_eq(c.libvirt.uri, "qemu:///system");
    ck_assert_str_eq(c.libvirt.uri_from, "the default");
    ck_assert_str_eq(c.libvirt.image_dir, "/var/lib/libvirt/images");
    ck_assert_str_eq(c.libvirt.accel, "auto");
    ck_assert_str_eq(c.failover.group, "default");
    ck_assert_int_eq(c.failover.hook_timeout_ms, HOOK_LIMIT_MS);
    ck_assert_int_eq(c.failover.follow_timeout_ms, HOOK_LIMIT_MS);
    for (int i = 0; i < HOOK_COUNT; i++)
        ck_assert_ptr_null(c.failover.hooks[i]);
    ck_assert_str_eq(c.guardian.socket, "/run/harmony/guardian.sock");
    ck_assert_int_eq(c.guardian.start, GUARDIAN_START_AUTO);
    ck_assert_ptr_null(c.guardian.fence.cgroups[0]);
    ck_assert_ptr_null(c.guardian.fence.command);
    ck_assert_int_eq(c.guardian.fence.limit_ms[GUARD_RUNG_KILL], 0);
    ck_assert_ptr_null(c.host_paths[0]);
    ck_assert_int_eq(c.log.level, HM_LOG_INFO);
    ck_assert_int_eq(c.log.format, HM_LOG_TEXT);
    config_clear(&c);
    ck_assert_ptr_null(c.site_id);
}
END_TEST

static const char full[] =
    "site_id: site-b\n"
    "state_dir: /srv/state\n"
    "runtime_dir: /srv/run\n"
    "nats:\n"
    "  servers: [tls://n1:4222, tls://n2:4222]\n"
    "  credentials: /etc/harmony/site-b.creds\n"
    "  tls: {ca: /etc/ca.pem, cert: /etc/cert.pem, key: /etc/key.pem}\n"
    "libvirt: {uri: 'qemu:///embed?root=/x', image_dir: /srv/images, accel: tcg}\n"
    "failover:\n"
    "  group: db\n"
    "  hook_timeout: 3s\n"
    "  follow_timeout: 12h\n"
    "  hooks:\n"
    "    probe: [/bin/check, -q]\n"
    "    fence: [/bin/stop]\n"
    "  peer:\n"
    "    listen: '[::]:7422'\n"
    "    tls: {ca: /etc/p/ca.pem, cert: /etc/p/b.pem, key: /etc/p/b.key}\n"
    "guardian:\n"
    "  socket: /srv/guardian.sock\n"
    "  start: unit\n"
    "  cgroup: /sys/fs/cgroup/harmony\n"
    "  fence:\n"
    "    cgroups: [/sys/fs/cgroup/system.slice/db.service]\n"
    "    links: [eth1]\n"
    "    addresses: [{link: eth0, address: 192.0.2.10/24}]\n"
    "    command: [/usr/sbin/power, 'off']\n"
    "    watchdog: /dev/watchdog0\n"
    "    kill_limit: 2s\n"
    "    command_limit: 30s\n"
    "host_paths: [/boot, /srv/kernels/vmlinuz]\n"
    "quota: {vcpus: 16, memory: 64GiB}\n"
    "log: {level: debug, format: json}\n";

START_TEST(everything_is_read)
{
    struct agent_config c = parse(full);
    ck_assert_str_eq(c.nats.servers, "tls://n1:4222,tls://n2:4222");
    ck_assert_str_eq(c.nats.credentials, "/etc/harmony/site-b.creds");
    ck_assert_str_eq(c.nats.tls_ca, "/etc/ca.pem");
    ck_assert_str_eq(c.nats.tls_cert, "/etc/cert.pem");
    ck_assert_str_eq(c.nats.tls_key, "/etc/key.pem");
    ck_assert_str_eq(c.libvirt.uri, "qemu:///embed?root=/x");
    ck_assert_str_eq(c.libvirt.uri_from, "libvirt.uri");
    ck_assert_str_eq(c.libvirt.accel, "tcg");
    ck_assert_str_eq(c.failover.group, "db");
    ck_assert_int_eq(c.failover.hook_timeout_ms, 3000);
    ck_assert_int_eq(c.failover.follow_timeout_ms, 12 * 3600000);
    ck_assert_str_eq(c.failover.peer.listen, "[::]:7422");
    ck_assert_str_eq(c.failover.peer.tls_ca, "/etc/p/ca.pem");
    ck_assert_str_eq(c.failover.peer.tls_cert, "/etc/p/b.pem");
    ck_assert_str_eq(c.failover.peer.tls_key, "/etc/p/b.key");
    ck_assert_str_eq(c.failover.hooks[HOOK_PROBE][0], "/bin/check");
    ck_assert_str_eq(c.failover.hooks[HOOK_PROBE][1], "-q");
    ck_assert_ptr_null(c.failover.hooks[HOOK_PROBE][2]);
    ck_assert_str_eq(c.failover.hooks[HOOK_FENCE][0], "/bin/stop");
    ck_assert_ptr_null(c.failover.hooks[HOOK_PROMOTE]);
    ck_assert_str_eq(c.guardian.socket, "/srv/guardian.sock");
    ck_assert_int_eq(c.guardian.start, GUARDIAN_START_UNIT);
    ck_assert_str_eq(c.guardian.cgroup, "/sys/fs/cgroup/harmony");
    ck_assert_str_eq(c.guardian.fence.cgroups[0], "/sys/fs/cgroup/system.slice/db.service");
    ck_assert_str_eq(c.guardian.fence.links[0], "eth1");
    ck_assert_uint_eq(c.guardian.fence.address_count, 1);
    ck_assert_str_eq(c.guardian.fence.addresses[0].link, "eth0");
    ck_assert_str_eq(c.guardian.fence.addresses[0].address, "192.0.2.10/24");
    ck_assert_str_eq(c.guardian.fence.command[1], "off");
    ck_assert_str_eq(c.guardian.fence.watchdog, "/dev/watchdog0");
    ck_assert_int_eq(c.guardian.fence.limit_ms[GUARD_RUNG_KILL], 2000);
    ck_assert_int_eq(c.guardian.fence.limit_ms[GUARD_RUNG_CUT], 0);
    ck_assert_int_eq(c.guardian.fence.limit_ms[GUARD_RUNG_COMMAND], 30000);
    ck_assert_str_eq(c.host_paths[1], "/srv/kernels/vmlinuz");
    ck_assert_int_eq(c.quota.most[QUOTA_VCPUS], 16);
    ck_assert_int_eq(c.quota.most[QUOTA_MEMORY], 64LL << 30);
    ck_assert_int_eq(c.quota.most[QUOTA_DISK], 0);
    ck_assert_int_eq(c.log.level, HM_LOG_DEBUG);
    ck_assert_int_eq(c.log.format, HM_LOG_JSON);
    config_clear(&c);
}
END_TEST

START_TEST(one_server_needs_no_list)
{
    struct agent_config c = parse("site_id: a\nnats: {servers: 'nats://n1:4222'}\n");
    ck_assert_str_eq(c.nats.servers, "nats://n1:4222");
    config_clear(&c);
}
END_TEST

/* -- the environment: each choice with all better ones absent -----------------------------------
 */

static const struct {
    const char *env[4], *yaml, *uri, *from;
} uris[] = {
    {{"HARMONY_KVM_URI=u:1", "HARMONY_KVM_CONNECTION=u:2"}, "u:3", "u:1", "HARMONY_KVM_URI"},
    {{"HARMONY_KVM_URI=", "HARMONY_KVM_CONNECTION=u:2"}, "u:3", "u:2", "HARMONY_KVM_CONNECTION"},
    {{NULL}, "u:3", "u:3", "libvirt.uri"},
    {{NULL}, NULL, "qemu:///system", "the default"},
};

START_TEST(the_uri_is_chosen_in_order)
{
    memcpy(environment, uris[_i].env, sizeof uris[_i].env);
    HM_AUTOFREE char *line =
        uris[_i].yaml ? hm_printf("libvirt: {uri: '%s'}\n", uris[_i].yaml) : NULL;
    HM_AUTOFREE char *text = hm_printf("site_id: a\n%s", line ? line : "");
    struct agent_config c = parse(text);
    ck_assert_str_eq(c.libvirt.uri, uris[_i].uri);
    ck_assert_str_eq(c.libvirt.uri_from, uris[_i].from);
    config_clear(&c);
}
END_TEST

static const struct {
    const char *env[4], *yaml, *program;
} programs[] = {
    {{"CLOUD_HYPERVISOR=/1"}, "/2", "/1"},
    {{"CLOUD_HYPERVISOR="}, "/2", "/2"},
    {{NULL}, "/2", "/2"},
    {{NULL}, NULL, NULL},
};

START_TEST(the_vmm_is_chosen_in_order)
{
    memcpy(environment, programs[_i].env, sizeof programs[_i].env);
    HM_AUTOFREE char *line =
        programs[_i].yaml ? hm_printf("cloud_hypervisor: {program: '%s'}\n", programs[_i].yaml)
                          : NULL;
    HM_AUTOFREE char *text = hm_printf("site_id: a\n%s", line ? line : "");
    struct agent_config c = parse(text);
    if (programs[_i].program)
        ck_assert_str_eq(c.cloud_hypervisor.program, programs[_i].program);
    else
        ck_assert_ptr_null(c.cloud_hypervisor.program);
    ck_assert(c.libvirt.enabled);
    config_clear(&c);
}
END_TEST

START_TEST(a_host_may_have_no_libvirt)
{
    struct agent_config c = parse("site_id: a\nlibvirt: {enabled: false}\n");
    ck_assert(!c.libvirt.enabled);
    config_clear(&c);
}
END_TEST

static const struct {
    const char *env[4], *yaml, *dir;
} image_dirs[] = {
    {{"HARMONY_KVM_IMAGE_DIR=/1", "HARMONY_DATA_DIR=/3"}, "/2", "/1"},
    {{"HARMONY_DATA_DIR=/3"}, "/2", "/2"},
    {{"HARMONY_DATA_DIR=/3"}, NULL, "/3/kvm/images"},
    {{NULL}, NULL, "/var/lib/libvirt/images"},
};

START_TEST(the_image_dir_is_chosen_in_order)
{
    memcpy(environment, image_dirs[_i].env, sizeof image_dirs[_i].env);
    const char *yaml = image_dirs[_i].yaml;
    HM_AUTOFREE char *text =
        hm_printf("site_id: a\nlibvirt: {%s%s}\n", yaml ? "image_dir: " : "", yaml ? yaml : "");
    struct agent_config c = parse(text);
    ck_assert_str_eq(c.libvirt.image_dir, image_dirs[_i].dir);
    config_clear(&c);
}
END_TEST

START_TEST(a_relative_image_dir_of_the_environment_is_refused)
{
    static const char text[] = "site_id: a\n";
    struct agent_config c = {.site_id = NULL};
    struct hm_error err = {0};
    environment[0] = "HARMONY_KVM_IMAGE_DIR=images";
    environment[1] = NULL;
    ck_assert_int_lt(config_parse("h.yaml", text, strlen(text), fake_env, &c, &err), 0);
    ck_assert_str_eq(err.text,
                     "HARMONY_KVM_IMAGE_DIR: image_dir: \"images\" is not an absolute path "
                     "without . or .. parts");
    ck_assert_ptr_null(c.site_id);
}
END_TEST

/* -- refusals: file, line, field, what was expected ---------------------------------------------
 */

static const struct {
    const char *text, *sentence;
} refusals[] = {
    {"", "h.yaml:1: is empty; expected one, with site_id"},
    {"site_id: a\n---\nsite_id: b\n",
     "h.yaml:1: holds several documents; expected one, with site_id"},
    {"- a\n", "h.yaml:1: a list is not an object"},
    {"log: {}\n",
     "h.yaml:1: site_id: is required: The name of this site, different from every other's."},
    {"site_id: Site A\n",
     "h.yaml:1: site_id: \"Site A\" is not a name ([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)"},
    {"\nsite_id: primary\n",
     "h.yaml:2: site_id: primary is the word for whichever site leads; take another"},
    {"site_id: a\nnats:\n  servrs: x\n",
     "h.yaml:3: nats: unknown field \"servrs\" (did you mean \"servers\"?)"},
    {"site_id: a\nnats:\n  tls: {cert: /c}\n",
     "h.yaml:3: nats.tls: cert and key are given together, or neither"},
    {"site_id: a\nlog:\n  level: debg\n", "h.yaml:3: log.level: \"debg\" is not error, warn, info, "
                                          "debug or trace (did you mean debug?)"},
    {"site_id: a\nstate_dir: ../x\n",
     "h.yaml:2: state_dir: \"../x\" is not an absolute path without . or .. parts"},
    {"site_id: a\nfailover:\n  hooks:\n    probe: [check]\n",
     "h.yaml:4: failover.hooks.probe[0]: \"check\" is not an absolute path of a program"},
    {"site_id: a\nfailover:\n  hooks:\n    probe: /bin/check -q\n",
     "h.yaml:4: failover.hooks.probe: \"/bin/check -q\" is not a list"},
    {"site_id: a\nfailover:\n  hooks:\n    probe: []\n",
     "h.yaml:4: failover.hooks.probe: has 0 elements; at least 1 are needed"},
    {"site_id: a\nfailover: {hook_timeout: 10 seconds}\n",
     "h.yaml:2: failover.hook_timeout: \"10 seconds\" is not a duration (use 10s)"},
    {"site_id: a\nguardian:\n  fence:\n    command: [poweroff]\n",
     "h.yaml:4: guardian.fence.command[0]: \"poweroff\" is not an absolute path of a program"},
    {"site_id: a\nguardian:\n  fence:\n    links: ['']\n",
     "h.yaml:4: guardian.fence.links[0]: must have 1 to 255 bytes"},
#if HM_WITH_NETALLOC
    {"site_id: a\nfailover:\n  vip: [{address: 192.0.2.10, link: eth0}]\n",
     "h.yaml:3: failover.vip[0].address: \"192.0.2.10\" is no address with its prefix "
     "(192.0.2.10/24, 2001:db8::10/64)"},
    {"site_id: a\nfailover:\n  vip: [{address: 192.0.2.10/24, link: a/b}]\n",
     "h.yaml:3: failover.vip[0].link: \"a/b\" can't be the name of an interface"},
    {"site_id: a\nfailover:\n  vip:\n    - {address: 192.0.2.10/24, link: eth0}\n"
     "    - {address: 192.0.2.10/32, link: eth1}\n",
     "h.yaml:5: failover.vip[1].address: is the address of failover.vip[0], too"},
#else
    {"site_id: a\nfailover:\n  vip: [{address: 192.0.2.10/24, link: eth0}]\n",
     "h.yaml:3: failover.vip: this build has no virtual IPs (make WITH_NETALLOC=1)"},
#endif
    {"site_id: a\nfailover:\n  peer: {listen: 'db1:7422', tls: {ca: /c, cert: /d, key: /k}}\n",
     "h.yaml:3: failover.peer.listen: \"db1:7422\" is no numeric address and port (0.0.0.0:7422)"},
    {"site_id: a\nfailover:\n  peer: {listen: '0.0.0.0:0', tls: {ca: /c, cert: /d, key: /k}}\n",
     "h.yaml:3: failover.peer.listen: \"0.0.0.0:0\" is no numeric address and port (0.0.0.0:7422)"},
    {"site_id: a\nfailover:\n  peer: {listen: '0.0.0.0:7422', tls: {ca: /c, cert: /d}}\n",
     "h.yaml:3: failover.peer.tls.key: is required: Its private key."},
    {"site_id: a\nfailover:\n  peer: {listen: '0.0.0.0:7422'}\n",
     "h.yaml:3: failover.peer.tls: is required: Certificates; both sides of a link show one."},
    {"site_id: a\nguardian: {start: systemd}\n",
     "h.yaml:2: guardian.start: \"systemd\" is not auto, unit or agent"},
    {"site_id: a\nnats: {servers: [{user: x}]}\n",
     "h.yaml:2: nats.servers[0]: the value (secret) is not text"},
    {"site_id: a\nnats: {servers: 5}\n",
     "h.yaml:2: nats.servers: the value (secret) is not a list"},
    {"site_id: &a b\n",
     "h.yaml:1: anchors (&), aliases (*) and tags (!) are not allowed (a text that begins with one "
     "of these wants quotes)"},
};

START_TEST(a_wrong_file_gets_one_sentence)
{
    struct agent_config c = {.site_id = NULL};
    struct hm_error err = {0};
    const char *text = refusals[_i].text;
    ck_assert_int_lt(config_parse("h.yaml", text, strlen(text), fake_env, &c, &err), 0);
    ck_assert_str_eq(err.text, refusals[_i].sentence);
    ck_assert_ptr_null(c.site_id);
}
END_TEST

START_TEST(a_file_is_loaded)
{
    HM_AUTOFREE char *path = hm_strdup("/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "site_id: a\n", 11), 11);
    close(fd);
    struct agent_config c;
    struct hm_error err = {0};
    int rc = config_load(path, &c, &err);
    unlink(path);
    ck_assert_msg(rc >= 0, "%s", err.text);
    ck_assert_str_eq(c.site_id, "a");
    config_clear(&c);
    ck_assert_int_eq(config_load(path, &c, &err), -HM_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

/* -- the allow-list -----------------------------------------------------------------------------
 */

static const struct {
    const char *path;
    bool allowed;
} paths[] = {
    {"/srv/images/a.qcow2", true},
    {"/srv/images", true},
    {"/srv/images-old/a", false},
    {"/srv", false},
    {"/boot/vmlinuz", true},
    {"/srv/kernels/vmlinuz", true},
    {"/srv/kernels/vmlinuz2", false},
    {"/etc/shadow", false},
    {"/boot/../etc/shadow", false},
    {"/boot/./x", false},
    {"/boot//x", false},
    {"/boot/", false},
    {"boot/x", false},
    {"", false},
    {"/boot/x\n", false},
};

START_TEST(documents_may_name_only_allowed_paths)
{
    struct agent_config c = parse(full);
    ck_assert_int_eq(config_allows_path(&c, paths[_i].path), paths[_i].allowed);
    config_clear(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, empty_environment, NULL);
#if HM_WITH_NETALLOC
    tcase_add_test(t, virtual_ips_are_read);
#endif
    tcase_add_test(t, defaults_are_filled_in);
    tcase_add_test(t, everything_is_read);
    tcase_add_test(t, one_server_needs_no_list);
    tcase_add_loop_test(t, the_uri_is_chosen_in_order, 0, HM_COUNT(uris));
    tcase_add_loop_test(t, the_vmm_is_chosen_in_order, 0, HM_COUNT(programs));
    tcase_add_test(t, a_host_may_have_no_libvirt);
    tcase_add_loop_test(t, the_image_dir_is_chosen_in_order, 0, HM_COUNT(image_dirs));
    tcase_add_test(t, a_relative_image_dir_of_the_environment_is_refused);
    tcase_add_loop_test(t, a_wrong_file_gets_one_sentence, 0, HM_COUNT(refusals));
    tcase_add_test(t, a_file_is_loaded);
    tcase_add_loop_test(t, documents_may_name_only_allowed_paths, 0, HM_COUNT(paths));
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

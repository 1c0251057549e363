#include "xml_fixture.h"

#include "vmm/network_xml.h"
#include "vmm/shape.h"
#include "vmm/volume_xml.h"

static xmlDocPtr build(const char *name, const char *text)
{
    json_t *spec = spec_of("network", text);
    struct mark mark = mark_of(spec);
    char *xml = network_xml(name, NULL, spec, &mark);
    xmlDocPtr doc = NULL;
    struct hm_error err = {0};
    ck_assert_msg(xml_parse(xml, &doc, &err) == 0, "%s", err.text);
    free(xml);
    mark_clear(&mark);
    json_decref(spec);
    return doc;
}

START_TEST(defaults_are_as_documented)
{
    xmlDocPtr doc = build("my-lan", "{}");
    ck_xpath(doc, "/network/name", "my-lan");
    ck_xpath(doc, "/network/forward/@mode", "nat");
    ck_xpath(doc, "/network/bridge[@stp='on'][@delay='0']/@name", "virbr-mylan");
    ck_xpath(doc, "/network/ip[@netmask='255.255.255.0']/@address", "192.168.100.1");
    ck_xpath(doc, "/network/ip/dhcp/range[@end='192.168.100.254']/@start", "192.168.100.2");
    xml_free(&doc);
}
END_TEST

START_TEST(ipv6_lies_beside_ipv4_and_nat_is_for_both)
{
    xmlDocPtr doc = build("lan", "{\"subnet6\":\"fd00:1::1/64\"}");
    ck_xpath(doc, "/network/ip[1]/@address", "192.168.100.1");
    ck_xpath(doc, "/network/ip[@family='ipv6'][@prefix='64']/@address", "fd00:1::1");
    ck_xpath(doc, "count(/network/ip[@family='ipv6']/dhcp)", "0");
    ck_xpath(doc, "/network/forward[@mode='nat']/nat/@ipv6", "yes");
    xml_free(&doc);
    doc = build("lan", "{\"subnet6\":\"fd00:1::1/64\",\"mode\":\"route\"}");
    ck_xpath(doc, "count(/network/forward/nat)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(an_isolated_network_without_dhcp_has_neither_forward_nor_range)
{
    xmlDocPtr doc = build("lan", "{\"mode\":\"isolated\",\"dhcp\":{\"enabled\":false}}");
    ck_xpath(doc, "count(/network/forward)", "0");
    ck_xpath(doc, "count(/network/ip/dhcp)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(static_hosts_and_a_range_have_their_places)
{
    xmlDocPtr doc =
        build("lan",
              "{\"subnet\":\"10.1.0.1/16\",\"bridge\":\"br-x\",\"dhcp\":{\"start\":\"10.1.1.1\","
              "\"end\":\"10.1.1.9\",\"hosts\":[{\"mac\":\"52:54:00:00:00:12\",\"ip\":\"10.1.0.12\","
              "\"name\":\"db\"}]}}");
    ck_xpath(doc, "/network/bridge/@name", "br-x");
    ck_xpath(doc, "/network/ip[@netmask='255.255.0.0']/@address", "10.1.0.1");
    ck_xpath(doc, "/network/ip/dhcp/range[@start='10.1.1.1']/@end", "10.1.1.9");
    ck_xpath(doc, "/network/ip/dhcp/host[@mac='52:54:00:00:00:12'][@name='db']/@ip", "10.1.0.12");
    xml_free(&doc);
}
END_TEST

START_TEST(a_bridge_without_address_has_nothing_of_the_hosts)
{
    xmlDocPtr doc =
        build("lan", "{\"mode\":\"isolated\",\"subnet\":\"none\",\"bridge\":\"virbr100\"}");
    ck_xpath(doc, "/network/bridge/@name", "virbr100");
    ck_xpath(doc, "count(/network/forward) + count(//ip) + count(//dhcp) + count(//dns)", "0");
    xml_free(&doc);
}
END_TEST

START_TEST(names_mtu_and_route_have_their_places)
{
    xmlDocPtr doc =
        build("lan",
              "{\"mode\":\"route\",\"mtu\":9000,\"dns\":{\"domain\":\"okd.example\",\"forwarders\":"
              "[\"9.9.9.9\",\"1.1.1.1\"],\"hosts\":[{\"ip\":\"192.168.100.5\",\"names\":[\"api\","
              "\"api.okd.example\"]}]}}");
    ck_xpath(doc, "/network/forward/@mode", "route");
    ck_xpath(doc, "/network/mtu/@size", "9000");
    ck_xpath(doc, "/network/domain/@name", "okd.example");
    ck_xpath(doc, "/network/dns/forwarder[2]/@addr", "1.1.1.1");
    ck_xpath(doc, "/network/dns/host[@ip='192.168.100.5']/hostname[2]", "api.okd.example");
    ck_xpath(doc, "count(/network/dns/@enable)", "0");
    xml_free(&doc);
    doc = build("lan", "{\"dns\":{\"enabled\":false}}");
    ck_xpath(doc, "/network/dns/@enable", "no");
    xml_free(&doc);
}
END_TEST

static struct network_info read_back(xmlDocPtr doc)
{
    char *xml = xml_print(doc);
    struct network_info info;
    struct hm_error err = {0};
    ck_assert_msg(network_read(xml, &info, &err) == 0, "%s", err.text);
    free(xml);
    return info;
}

START_TEST(what_was_built_reads_back_without_a_difference)
{
    xmlDocPtr doc = build("lan", "{}");
    struct network_info info = read_back(doc);
    ck_assert(info.marked);
    ck_assert_ptr_null(shape_difference(info.mark.made, info.shape));
    ck_assert_str_eq(json_string_value(json_object_get(info.details, "bridge")), "virbr-lan");
    network_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(an_edit_is_told_in_words)
{
    xmlDocPtr doc = build("lan", "{}");
    xmlNodePtr range = xml_at(xml_root(doc), "ip/dhcp/range");
    xmlSetProp(range, (const xmlChar *)"end", (const xmlChar *)"192.168.100.9");
    struct network_info info = read_back(doc);
    char *words = shape_difference(info.mark.made, info.shape);
    ck_assert_str_eq(words, "dhcp.end is 192.168.100.9, was made as 192.168.100.254");
    free(words);
    network_info_clear(&info);
    xml_free(&doc);
}
END_TEST

static const struct {
    const char *made, *xpath, *words;
} drifts[] = {
    {"{\"subnet6\":\"fd00:1::1/64\"}", "forward/nat", "nat6 (yes) is gone"},
    {"{\"mtu\":9000}", "mtu", "mtu (9000) is gone"},
    {"{\"dns\":{\"domain\":\"a\"}}", "domain", "dns.domain (a) is gone"},
    {"{\"dns\":{\"enabled\":false}}", "dns", "dns.enabled (no) is gone"},
    {"{\"dns\":{\"forwarders\":[\"9.9.9.9\"]}}", "dns/forwarder",
     "dns.forwarders[9.9.9.9] (yes) is gone"},
    {"{\"dns\":{\"hosts\":[{\"ip\":\"10.0.0.1\",\"names\":[\"a\",\"b\"]}]}}", "dns/host",
     "dns.hosts[10.0.0.1] (a b) is gone"},
};

START_TEST(what_was_taken_out_is_drift)
{
    xmlDocPtr doc = build("lan", drifts[_i].made);
    xmlNodePtr node = xml_at(xml_root(doc), drifts[_i].xpath);
    xmlUnlinkNode(node);
    xmlFreeNode(node);
    struct network_info info = read_back(doc);
    char *words = shape_difference(info.mark.made, info.shape);
    ck_assert_pstr_eq(words, drifts[_i].words);
    free(words);
    network_info_clear(&info);
    xml_free(&doc);
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
    struct network_info info;
    ck_assert_int_eq(network_read("<domain/>", &info, NULL), -HM_E_INVALID);
    ck_assert_int_eq(network_read("", &info, NULL), -HM_E_INVALID);
}
END_TEST

/* -- Pools and volumes ------------------------------------------------------------------------- */

START_TEST(a_volume_is_sparse_and_its_name_escaped)
{
    xmlDocPtr doc = NULL;
    char *xml = volume_xml("a<b.qcow2", 1 << 30, "qcow2", "/b&c", "raw");
    ck_assert_int_eq(xml_parse(xml, &doc, NULL), 0);
    ck_xpath(doc, "/volume/name", "a<b.qcow2");
    ck_xpath(doc, "/volume/capacity[@unit='bytes']", "1073741824");
    ck_xpath(doc, "/volume/allocation", "0");
    ck_xpath(doc, "/volume/target/format/@type", "qcow2");
    ck_xpath(doc, "/volume/target/compat", "1.1");
    ck_xpath(doc, "/volume/backingStore/path", "/b&c");
    ck_xpath(doc, "/volume/backingStore/format/@type", "raw");
    free(xml);
    xml_free(&doc);
}
END_TEST

START_TEST(a_pool_reads_back)
{
    char *xml = pool_xml("default", "/images & more");
    struct pool_info info;
    ck_assert_int_eq(pool_read(xml, &info, NULL), 0);
    ck_assert_str_eq(info.type, "dir");
    ck_assert_str_eq(info.dir, "/images & more");
    pool_info_clear(&info);
    free(xml);
    ck_assert_int_eq(pool_read("<pool type='rbd'><name>x</name></pool>", &info, NULL), 0);
    ck_assert_str_eq(info.type, "rbd");
    ck_assert_ptr_null(info.dir);
    pool_info_clear(&info);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("network_xml");
    TCase *t = tcase_create("all");
    xml_setup();
    tcase_add_test(t, defaults_are_as_documented);
    tcase_add_test(t, ipv6_lies_beside_ipv4_and_nat_is_for_both);
    tcase_add_test(t, an_isolated_network_without_dhcp_has_neither_forward_nor_range);
    tcase_add_test(t, static_hosts_and_a_range_have_their_places);
    tcase_add_test(t, what_was_built_reads_back_without_a_difference);
    tcase_add_test(t, an_edit_is_told_in_words);
    tcase_add_test(t, a_bridge_without_address_has_nothing_of_the_hosts);
    tcase_add_test(t, names_mtu_and_route_have_their_places);
    tcase_add_loop_test(t, what_was_taken_out_is_drift, 0, HM_COUNT(drifts));
    tcase_add_test(t, what_is_no_network_is_refused);
    tcase_add_test(t, a_volume_is_sparse_and_its_name_escaped);
    tcase_add_test(t, a_pool_reads_back);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

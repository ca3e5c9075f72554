package sync

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// What belongs to nobody's vendor, as plugins/sdk has it too, beside what package netip knows: shared address space,
// benchmarks, documentation, and the forms in which an IPv4 address hides in an IPv6 one.
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// private reports whether an address may lead into this machine or its network.
func private(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return true
	}
	a = a.Unmap()
	return !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() ||
		slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(a) })
}

// guard refuses a host that leads into our own network. A name that cannot be looked up is
// let through: it leads nowhere, and the connection's check says so.
func (s *Service) guard(ctx context.Context, host string) error {
	if s.Private {
		return nil
	}
	refused := core.Errorf(core.Invalid, "PRIVATE_ADDRESS", "this leads to this machine or a private network, where no vendor is; name the vendor's public address, or let the operator allow private connectors")
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	switch {
	case host == "":
		return core.Errorf(core.Invalid, "HOST", "the address names no host")
	case host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local"):
		return refused
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if private(a.AsSlice()) {
			return refused
		}
		return nil
	}
	// "2130706433", "0x7f.1": some resolvers take them for addresses.
	if last := host[strings.LastIndexByte(host, '.')+1:]; last != "" && last[0] >= '0' && last[0] <= '9' {
		return refused
	}
	if list, err := s.Lookup(ctx, host); err == nil && slices.ContainsFunc(list, private) {
		return refused
	}
	return nil
}

// Reachable refuses a URL that leads into our own network or would carry data of people in
// clear.
func (s *Service) Reachable(ctx context.Context, u *url.URL) error {
	if u.Scheme != "https" && (u.Scheme != "http" || !s.Private) {
		return core.Errorf(core.Invalid, "URL", "data of people goes over TLS: use an https address")
	}
	return s.guard(ctx, u.Hostname())
}

// Dialable refuses an address that a name was looked up to and that leads into our own
// network: what a dialer asks last.
func (s *Service) Dialable(ip net.IP) error {
	if !s.Private && private(ip) {
		return core.Errorf(core.Invalid, "PRIVATE_ADDRESS", "this leads to this machine or a private network")
	}
	return nil
}

// hosts returns where a connection may connect to: the connector's hosts with what stands
// in the configuration put in. Every URL of the configuration is guarded.
func (s *Service) hosts(ctx context.Context, c *Connector, config map[string]any) ([]string, error) {
	var out []string
	props := propertiesOf(c)
	guarded := map[string]bool{}
	check := func(property string) (string, error) {
		text, _ := config[property].(string)
		if text == "" {
			return "", nil
		}
		host := text
		if strings.Contains(text, "://") {
			u, err := url.Parse(text)
			if err != nil || u.Hostname() == "" {
				return "", core.Errorf(core.Invalid, "URL", "this must be a URL with a host, such as https://api.example.com").At("config", property)
			}
			if u.User != nil {
				return "", core.Errorf(core.Invalid, "URL", "no password stands in a URL; the connector has a property for it").At("config", property)
			}
			if u.Scheme != "https" && u.Scheme != "tcps" && u.Scheme != "tls" && !s.Private {
				return "", core.Errorf(core.Invalid, "URL", "data of people goes over TLS: use an https address").At("config", property)
			}
			host = u.Host
		}
		name := host
		if h, _, err := net.SplitHostPort(host); err == nil {
			name = h
		}
		if err := s.guard(ctx, name); err != nil {
			return "", core.AsError(err).At("config", property)
		}
		return host, nil
	}
	for _, h := range c.Hosts {
		property, ok := strings.CutPrefix(h, "config:")
		if !ok {
			out = append(out, h)
			continue
		}
		guarded[property] = true
		host, err := check(property)
		if err != nil {
			return nil, err
		}
		if host != "" {
			out = append(out, host)
		}
	}
	for property, p := range props {
		text, _ := config[property].(string)
		if guarded[property] || p.WriteOnly || (p.Format != "uri" && !strings.Contains(text, "://")) {
			continue
		}
		if _, err := check(property); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Package layout makes the HTML of a mail out of blocks: headings, texts, pictures,
// buttons, columns, lists of products, a footer. The HTML survives the mail programs
// that understand little, Outlook for Windows above all: it is made of tables with
// width attributes and role="presentation", its styles stand in the elements, its
// buttons are cells with padding, its pictures have widths and descriptions. No flex, no
// grid, no div that is relied on.
//
// A document is JSON:
//
//	{"width": 600, "blocks": [
//	  {"heading": {"text": "Your cart waits, {{ profile.firstName | default: 'friend' }}"}},
//	  {"products": {"of": "event.items"}},
//	  {"button": {"text": "Back to your cart", "href": "{{ event.cartUrl }}"}},
//	  {"text": {"text": "As a **gold** member you pay no delivery."},
//	   "where": {"trait": {"path": "tier", "eq": "gold"}}},
//	  {"footer": {"address": "{{ sender.postalAddress }}"}}]}
//
// A block has exactly one kind, and where when it is shown to some only. Texts are
// Liquid; in between, **bold**, [text](link) and blank lines between paragraphs are all
// the markup there is. Compile makes one Liquid source of it, for core/template, and
// returns the conditions by the names that the source asks for under show.
package layout

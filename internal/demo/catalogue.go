package demo

// product is something the shop sells. Durable ones are bought once; the others
// are used up within rebuyDays.
type product struct {
	sku, name, category string
	cents               int
	rebuyDays           int // 0: durable
	complements         []int
}

// catalogue is ordered: people and complements refer to products by place.
var catalogue = []product{
	{"MAT-160", "Mattress 160 cm", "bedroom", 69900, 0, []int{2, 3, 4}},
	{"MAT-090", "Mattress 90 cm", "bedroom", 39900, 0, []int{2, 3, 4}},
	{"SHT-160", "Linen sheets", "bedroom", 7900, 0, []int{3, 4}},
	{"PIL-STD", "Down pillow", "bedroom", 4900, 0, []int{2}},
	{"DUV-200", "Duvet 200 cm", "bedroom", 12900, 0, []int{2}},
	{"COF-250", "Coffee beans 250 g", "kitchen", 1290, 21, []int{6, 7}},
	{"FIL-100", "Paper filters, 100", "kitchen", 490, 45, []int{5}},
	{"GRN-001", "Coffee grinder", "kitchen", 8900, 0, []int{5}},
	{"TEA-100", "Green tea 100 g", "kitchen", 990, 30, nil},
	{"MUG-002", "Stoneware mugs, pair", "kitchen", 2490, 0, []int{5, 8}},
	{"SHM-500", "Shampoo 500 ml", "bath", 1190, 40, []int{11}},
	{"SOP-003", "Olive soap, 3 bars", "bath", 890, 35, []int{10}},
	{"TWL-070", "Bath towel", "bath", 2190, 0, []int{10, 11}},
	{"CAN-220", "Scented candle", "living", 1890, 50, nil},
	{"LMP-001", "Reading lamp", "living", 5990, 0, nil},
	{"BLK-130", "Wool blanket", "living", 8490, 0, []int{13}},
}

var givenNames = []string{
	"Ana", "Andrei", "Ioana", "Mihai", "Elena", "Radu", "Maria", "Vlad", "Greta", "Jonas", "Lena", "Felix",
	"Clara", "Paul", "Marie", "Hugo", "Chloé", "Louis", "Inès", "Jules", "Amelia", "Oliver", "Isla", "Noah",
	"Sofia", "Luca", "Giulia", "Marco", "Zoë", "Emil", "Nina", "Oskar",
}

var familyNames = []string{
	"Popescu", "Ionescu", "Dumitru", "Stan", "Marin", "Schmidt", "Müller", "Weber", "Wagner", "Becker",
	"Martin", "Bernard", "Dubois", "Petit", "Moreau", "Smith", "Jones", "Taylor", "Brown", "Wilson",
	"Rossi", "Bianchi", "Romano", "Costa", "Novak", "Horvat", "Kovács", "Nagy", "Jensen", "Larsen",
}

// place is where people live: a country with cities and the hour offset of its
// evenings.
type place struct {
	country, locale, currency, timezone string
	cities                              []string
}

var places = []place{
	{"RO", "ro-RO", "EUR", "Europe/Bucharest", []string{"București", "Cluj-Napoca", "Iași", "Timișoara"}},
	{"DE", "de-DE", "EUR", "Europe/Berlin", []string{"Berlin", "Hamburg", "München", "Köln"}},
	{"FR", "fr-FR", "EUR", "Europe/Paris", []string{"Paris", "Lyon", "Lille", "Nantes"}},
	{"GB", "en-GB", "GBP", "Europe/London", []string{"London", "Leeds", "Bristol", "Glasgow"}},
	{"IT", "it-IT", "EUR", "Europe/Rome", []string{"Roma", "Milano", "Torino", "Bologna"}},
}

// price is what a product costs there, in cents or pence.
func (p place) price(of product) int {
	if p.currency == "GBP" {
		return of.cents * 86 / 100
	}
	return of.cents
}

// campaign is how a visit came about.
type campaign struct{ source, medium, name string }

// campaigns are drawn evenly; the last are visits that no advertisement brought.
var campaigns = []campaign{
	{"google", "search", "brand-search"}, {"google", "search", "generic-search"}, {"facebook", "social", "autumn-home"},
	{"instagram", "social", "looks"}, {"newsletter", "email", "weekly"}, {},
}

var ticketTopics = []string{"delivery", "return", "invoice", "damaged", "other"}

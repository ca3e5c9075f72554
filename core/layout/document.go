package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
)

// The limits of a document.
const (
	MaxBlocks     = 200 // those in columns included
	MaxConditions = 50
	minWidth      = 320
	maxWidth      = 800
)

// Document is a layout as it is stored.
type Document struct {
	Width      int     `json:"width,omitempty"`      // pixels; 600
	Background string  `json:"background,omitempty"` // colours are #rrggbb
	Card       string  `json:"card,omitempty"`       // behind the content
	Color      string  `json:"color,omitempty"`      // of text
	Link       string  `json:"link,omitempty"`       // of links and buttons
	Font       string  `json:"font,omitempty"`       // a family list: "Arial, Helvetica, sans-serif"
	Blocks     []Block `json:"blocks"`
}

// Block is one block: exactly one of its kinds is set.
type Block struct {
	Heading  *Heading        `json:"heading,omitempty"`
	Text     *Text           `json:"text,omitempty"`
	Image    *Image          `json:"image,omitempty"`
	Button   *Button         `json:"button,omitempty"`
	Columns  *Columns        `json:"columns,omitempty"`
	Divider  *Divider        `json:"divider,omitempty"`
	Products *Products       `json:"products,omitempty"`
	Footer   *Footer         `json:"footer,omitempty"`
	Shared   *Shared         `json:"shared,omitempty"`
	Where    json.RawMessage `json:"where,omitempty"` // a condition: who sees it
}

// Heading is a headline.
type Heading struct {
	Text  string `json:"text"`
	Level int    `json:"level,omitempty"` // 1 to 3; 1
	Align string `json:"align,omitempty"` // left, center, right
}

// Text is one or several paragraphs.
type Text struct {
	Text  string `json:"text"`
	Align string `json:"align,omitempty"`
}

// Image is a picture.
type Image struct {
	Src   string `json:"src"`
	Alt   string `json:"alt"` // what it shows, for those who do not see it
	Width int    `json:"width,omitempty"`
	Href  string `json:"href,omitempty"`
	Align string `json:"align,omitempty"`
}

// Button is a link that looks like one should press it.
type Button struct {
	Text       string `json:"text"`
	Href       string `json:"href"`
	Background string `json:"background,omitempty"`
	Color      string `json:"color,omitempty"`
	Align      string `json:"align,omitempty"`
}

// Columns stand side by side, and one above the other on a phone.
type Columns struct {
	Columns []Column `json:"columns"` // 2 to 4
}

// Column is one of Columns.
type Column struct {
	Blocks []Block `json:"blocks"` // no columns, no footer
}

// Divider is a line.
type Divider struct {
	Color string `json:"color,omitempty"`
}

// Products is a list of things: one row each, with a picture, a name and a price.
type Products struct {
	Of    string `json:"of"`              // the path of a list: event.items, recommendations
	Limit int    `json:"limit,omitempty"` // 1 to 20; 6
	// The fields of an element; name, image, url, price and alt when empty.
	Name  string `json:"name,omitempty"`
	Image string `json:"image,omitempty"`
	URL   string `json:"url,omitempty"`
	Price string `json:"price,omitempty"`
	// Currency is Liquid after each price.
	Currency string `json:"currency,omitempty"`
}

// Footer ends a mail: who sends it, and how to get no more of it.
type Footer struct {
	Text        string `json:"text,omitempty"`
	Address     string `json:"address"`               // the postal address
	Unsubscribe string `json:"unsubscribe,omitempty"` // the words of the links
	Preferences string `json:"preferences,omitempty"`
}

// Shared names a reusable block by its key.
type Shared struct {
	Key string `json:"key"`
}

// Fault is something wrong with a document.
type Fault struct {
	Path    string // "blocks[2].image.alt"
	Message string
}

var (
	colour   = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	family   = regexp.MustCompile(`^[A-Za-z0-9 ,'-]{1,200}$`)
	dataList = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$`)
	keyForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
)

// Parse reads a document. What it does not know is a fault.
func Parse(source string) (*Document, []Fault) {
	d := &Document{}
	dec := json.NewDecoder(strings.NewReader(source))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, []Fault{{Message: "a layout is JSON in the form of docs/templates.md: " + jsonFault(err)}}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, []Fault{{Message: "something stands behind the layout's JSON"}}
	}
	c := &checker{}
	c.document(d)
	if len(c.faults) > 0 {
		return nil, c.faults
	}
	return d, nil
}

func jsonFault(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("at byte %d it is not JSON", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("%s is not to be a %s", typ.Field, typ.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// checker looks for faults and fills in what was left out.
type checker struct {
	faults     []Fault
	blocks     int
	conditions int
}

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, Fault{path, fmt.Sprintf(format, args...)})
}

func (c *checker) colour(path string, v *string, otherwise string) {
	if *v == "" {
		*v = otherwise
	}
	if !colour.MatchString(*v) {
		c.fault(path, "a colour is #rrggbb")
	}
}

func (c *checker) document(d *Document) {
	if d.Width == 0 {
		d.Width = 600
	}
	if d.Width < minWidth || d.Width > maxWidth {
		c.fault("width", "the width is from %d to %d pixels", minWidth, maxWidth)
	}
	c.colour("background", &d.Background, "#f4f4f4")
	c.colour("card", &d.Card, "#ffffff")
	c.colour("color", &d.Color, "#222222")
	c.colour("link", &d.Link, "#0a58ca")
	if d.Font == "" {
		d.Font = "Arial, Helvetica, sans-serif"
	}
	if !family.MatchString(d.Font) {
		c.fault("font", "a font is a list of families, such as Arial, Helvetica, sans-serif")
	}
	if len(d.Blocks) == 0 {
		c.fault("blocks", "a layout has at least one block")
	}
	c.list("blocks", d.Blocks, d, false)
	if c.blocks > MaxBlocks {
		c.fault("blocks", "a layout has at most %d blocks", MaxBlocks)
	}
	if c.conditions > MaxConditions {
		c.fault("blocks", "a layout has at most %d conditions", MaxConditions)
	}
}

func (c *checker) list(path string, blocks []Block, d *Document, inside bool) {
	for i := range blocks {
		c.blocks++
		c.block(fmt.Sprintf("%s[%d]", path, i), &blocks[i], d, inside)
	}
}

func (c *checker) required(path, v string) {
	if strings.TrimSpace(v) == "" {
		c.fault(path, "it must not be empty")
	}
}

func (c *checker) align(path string, v *string) {
	switch *v {
	case "":
		*v = "left"
	case "left", "center", "right":
	default:
		c.fault(path, "align is left, center or right")
	}
}

func (c *checker) block(path string, b *Block, d *Document, inside bool) {
	kinds := 0
	for _, is := range []bool{b.Heading != nil, b.Text != nil, b.Image != nil, b.Button != nil, b.Columns != nil, b.Divider != nil, b.Products != nil, b.Footer != nil, b.Shared != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		c.fault(path, "a block has exactly one of heading, text, image, button, columns, divider, products, footer, shared")
		return
	}
	if inside && (b.Columns != nil || b.Footer != nil) {
		c.fault(path, "a column holds neither columns nor a footer")
		return
	}
	if len(b.Where) > 0 && !bytes.Equal(b.Where, []byte("null")) {
		c.conditions++
		if n, err := condition.ParseJSON(b.Where); err != nil {
			c.fault(path+".where", "%s", err.Error())
		} else if len(condition.Ledgers(n)) > 0 {
			c.fault(path+".where", "a block asks for traits, segments, lists and consents; what somebody did is asked by a segment: make one and name it here")
		}
	}
	switch {
	case b.Heading != nil:
		if b.Heading.Level == 0 {
			b.Heading.Level = 1
		}
		if b.Heading.Level < 1 || b.Heading.Level > 3 {
			c.fault(path+".heading.level", "a level is 1, 2 or 3")
		}
		c.required(path+".heading.text", b.Heading.Text)
		c.align(path+".heading.align", &b.Heading.Align)
	case b.Text != nil:
		c.required(path+".text.text", b.Text.Text)
		c.align(path+".text.align", &b.Text.Align)
	case b.Image != nil:
		c.required(path+".image.src", b.Image.Src)
		c.required(path+".image.alt", b.Image.Alt)
		if b.Image.Width < 0 || b.Image.Width > d.Width {
			c.fault(path+".image.width", "a picture is at most as wide as the mail, %d pixels", d.Width)
		}
		c.align(path+".image.align", &b.Image.Align)
	case b.Button != nil:
		c.required(path+".button.text", b.Button.Text)
		c.required(path+".button.href", b.Button.Href)
		c.colour(path+".button.background", &b.Button.Background, d.Link)
		c.colour(path+".button.color", &b.Button.Color, "#ffffff")
		c.align(path+".button.align", &b.Button.Align)
	case b.Columns != nil:
		if n := len(b.Columns.Columns); n < 2 || n > 4 {
			c.fault(path+".columns", "there are 2 to 4 columns")
		}
		for i := range b.Columns.Columns {
			c.list(fmt.Sprintf("%s.columns.columns[%d].blocks", path, i), b.Columns.Columns[i].Blocks, d, true)
		}
	case b.Divider != nil:
		c.colour(path+".divider.color", &b.Divider.Color, "#dddddd")
	case b.Products != nil:
		c.products(path+".products", b.Products)
	case b.Footer != nil:
		c.required(path+".footer.address", b.Footer.Address)
	case !keyForm.MatchString(b.Shared.Key):
		c.fault(path+".shared.key", "a block is named by its key: lower-case letters, digits, - and _")
	}
}

func (c *checker) products(path string, p *Products) {
	if !dataList.MatchString(p.Of) {
		c.fault(path+".of", "of is the path of a list: event.items")
	}
	if p.Limit == 0 {
		p.Limit = 6
	}
	if p.Limit < 1 || p.Limit > 20 {
		c.fault(path+".limit", "a limit is from 1 to 20")
	}
	for _, f := range []struct {
		name      string
		v         *string
		otherwise string
	}{{"name", &p.Name, "name"}, {"image", &p.Image, "image"}, {"url", &p.URL, "url"}, {"price", &p.Price, "price"}} {
		if *f.v == "" {
			*f.v = f.otherwise
		}
		if !dataList.MatchString(*f.v) {
			c.fault(path+"."+f.name, "it is the path of a field of an element")
		}
	}
}

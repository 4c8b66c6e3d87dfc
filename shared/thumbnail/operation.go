package thumbnail

// Step names an operation.
type Step string

// The operations, with the fields of Operation that they use. Thumbor's operations do the same to the
// pixels as the documented filters of the same names.
const (
	StepRotate     Step = "rotate"           // Args: degrees clockwise, 90, 180 or 270
	StepCrop       Step = "crop"             // Args: left, top, right, bottom
	StepFlip       Step = "flip"             // Word: x turns over the x axis (top becomes bottom), y over the y axis
	StepBrightness Step = "brightness"       // Args: percent
	StepContrast   Step = "contrast"         // Args: percent
	StepRGB        Step = "rgb"              // Args: percent of red, green, blue
	StepColorize   Step = "colorize"         // Args: percent of red, green, blue; Color
	StepCurve      Step = "curve"            // Curves: of all channels, red, green, blue
	StepGrayscale  Step = "grayscale"        // nothing
	StepSaturation Step = "saturation"       // Args: factor
	StepEqualize   Step = "equalize"         // nothing
	StepNoise      Step = "noise"            // Args: amount, seed
	StepBlur       Step = "blur"             // Args: radius in pixels, sigma
	StepSharpen    Step = "sharpen"          // Args: amount, radius; On: only luminance
	StepConvolve   Step = "convolution"      // Args: the matrix; Columns; On: normalized
	StepCorners    Step = "round_corner"     // Args: radius across, radius down; Color; On: transparent
	StepBackground Step = "background_color" // Color, or Word: auto
	StepFill       Step = "fill"             // Color, or Word: auto, blur; On: transparent parts too
	StepUpscale    Step = "upscale"          // nothing
	StepProportion Step = "proportion"       // Args: factor
	StepWatermark  Step = "watermark"        // Picture; Word: x; Word2: y; Args: transparency, width, height in percent (0 = unchanged)
	StepText       Step = "text"             // Text; Font; Word: x; Word2: y; Args: transparency in percent, size in pixels; Color
	StepPixelate   Step = "pixelate"         // Args: side of a square in pixels
	StepFrame      Step = "frame"            // Picture, a nine-patch
	StepExtend     Step = "extend"           // Color; to the canvas of Resize
	StepRedEye     Step = "red_eye"          // nothing; only inside the focal points
)

// Operation is one step after the resize. The order of steps matters.
type Operation struct {
	Name    Step      `json:"name"`
	Args    []float64 `json:"args,omitempty"`
	Columns int       `json:"columns,omitempty"` // of a convolution's matrix
	Word    string    `json:"word,omitempty"`
	Word2   string    `json:"word2,omitempty"`
	On      bool      `json:"on,omitempty"`
	Color   string    `json:"color,omitempty"` // rrggbbaa, hexadecimal
	Curves  [][]Point `json:"curves,omitempty"`
	Picture *Location `json:"picture,omitempty"` // another original
	Text    string    `json:"text,omitempty"`    // at most MaxText characters
	Font    string    `json:"font,omitempty"`    // in Pango's words without a size; "" means Sans
}

// Point of a curve: an input and its output, 0…255.
type Point struct {
	X uint8 `json:"x"`
	Y uint8 `json:"y"`
}

// MaxPictures bounds the pictures beside the original in one spec.
const MaxPictures = 4

// Bounds of texts.
const (
	MaxTexts    = 4   // in one spec
	MaxText     = 200 // characters of a text
	MaxTextSize = 256 // pixels of a font
)

// Texts returns the operations that draw texts, in their order.
func (s Spec) Texts() (all []Operation) {
	for _, o := range s.Operations {
		if o.Name == StepText {
			all = append(all, o)
		}
	}
	return all
}

// Pictures returns the watermarks and frames, each once, in the order of their use.
func (s Spec) Pictures() (all []Location) {
	seen := map[Location]bool{}
	for _, o := range s.Operations {
		if o.Picture != nil && !seen[*o.Picture] {
			seen[*o.Picture] = true
			all = append(all, *o.Picture)
		}
	}
	return all
}

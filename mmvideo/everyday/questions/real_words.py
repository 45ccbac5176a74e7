"""Real words that look like typing errors of other words, so that nobody mends them."""

from __future__ import annotations

from mmvideo.everyday.questions.lists import word_set

REAL_WORDS = word_set("""
aims alien amount angel angle angles animation anime anthem applies army arts athletic aunt avatar babies baby
backpacker backs bait bale bales ballet band bandanna bands bank barbed bare barn barriers bars base bases bass bath
baton batter battle battles beaded beads beak beam beat bent bicycler bicyclist bill bills blend blender block blood
blown blues blur board boards booth booths boss bottle bottom bottoms bouncy bout bows brake brakes brand break
breaks breed breeds brick bridge broth bubble bubbles built bumper bunch bush bushes busy cafe cage calm cane canoe
canon cans cape care cargo carpeted cart cartoon carts carves case cases cash cast castle casts caution center
central chain chains chat chats cheek chess chili chin chip clad clay clear cleat cloak close closeup cloth clothed
clover clutch coach coal cold collared comic concrete cone container contents coral cord cords corn corner corners
cost costumed court courts cousin crab crabs crane crates cream crib crouch crouches crowd crown curve dancer dances
dane deck deep devil diaper dice diced directions disco dish dishes diver dock dots dough dove drag dragon drawn
dried drift dune dunes dust earth edge effect effects elder electrical electronic enemies enemy engine event events
exit eyed fairy fake farm father feather feathers fellow fenced fencers field fields file fill filter finish firm
fist fives flags flame flames flaming flaps flat flight floor flop flour flowered flowery foam focus footballer
footballers foothills forested form forms fort front furry gamer gaming garlic gate gates gears genre ghost glass
glove gloved glow goal goals grabs gras grasp grasps grassy grate gravel great grill grills grown guest guests
gymnastic gymnastics hairy half hall hard heart heat hell helmet helmeted hence herbs herd hind hole home hood hook
hooks host huddle hummer hung hurdle huts iced indoor infant inner inspects jacked jean jersey judge judges jungle
kayak kayakers knead knee knees knight labs lack lamp lamps lands lane lanes laps larger late lead leafy learn lease
leash least leather legos lens level levels life lights limb lime line lines link lips litter lobster lone loop
loose lots lower lure magic main mall marble mark marks mars marsh marx match matches matching mats meal mean
meaning means medal medals mess metal middle mime mist model models moon moss mother motorcyclist mountainous movie
mud nanny navy nears nephew niece nike noodles note notes numbered oars officer officers onion orbit order others
outer oven packed paddle pads pain pale pans panting paper parachutist parasail parasails parent parents parka part
parts past pasta paste patch paying peace peak peel photographer piece pieces pier pile piles pine pins pitch pixel
place placed places placing plaid planet plank plastic plates player players plot plush podium point points pointy
pokes polo pooh pops post posts pound praying presents price prices print prize puck puddle pugs punk puppet puppets
quest quite race racer racers races rack rail railing railings ramp range rank rate rates rather ready rear recipe
recorder reef reel reels relay result results retaining ridge rings rink rinks roast robe robes robot robots rocker
rocket rocky rod rods role romp roses round rounding rounds rover rubber sack sacks salad sale salsa same sand sandy
sauce scale scary score screen screens seal seeds seem senior serve server sets setting shack shade share sharp shed
sheer sheet sheets shell shiny ship ships shore shoulder shrimp shrine side sides sideways site size sizes skiiers
slice slices sling slip smock smoke snap sneakers soars soda soft song songs sorts space spar sparks speeding spell
spells spice sport sports spots spout spraying spring sprint squirted stack stacks stall stands starring stars start
state states steak steam steep step steps stir stone stony stoop storm story strapped streaks stream stripe stripes
stripped stroller stuck stunt stunts style such sucks suds supports surf surfboarder sweat sweaters sword swords
swung tackling taken tango tank tape task tasks tattooed teal teenage term terms test tests than theme then thick
though throne thrown thus tide tides tile tiles tips tired tires title toddler tone topic tops torch torn toss tour
tours towed tower trade trail trails trainer treks trick tricks trim trip triplets trips trophy trunk trunks tune
tunes twin twins uncle uniformed upper vapor vault virtual waist wake waking wand waterski watery well wheat wheel
wheels whisk whit whole wide wielding wigs wind winds winks witch wizard wooded wooden world woven wrestler
wrestlers zombie zoom
""")
"""Common English words, those of photograph captions and of sports, kitchens and games among them."""

__all__ = ["REAL_WORDS"]

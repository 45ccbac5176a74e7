"""Real words that look like typing errors of other words, so that nobody mends them."""

from __future__ import annotations

from mmvideo.everyday.questions.lists import word_set

REAL_WORDS = word_set("""
aims alien amongst amount angel angle angles animation anime anthem apart applies army arts athletic aunt avatar
babies baby backpacker backs bait balding bale bales ballet band bandanna bands bank banners barbed bare barn
barrier barriers bars base bases bass bath baton batter battle battles beaded beads beak beam bearing beat bedroom
begging bent bicycler bicyclist bill bills blend blender block blocked blood blown blues blur board boarder boards
booth booths boss bottle bottom bottoms bouncy bout bows brake brakes brand break breaks breed breeds brick bridge
brindle broth bubble bubbles built bumper bunch bush bushes busy cafe cage calm cane canoe canon cans cape care
cargo carpeted cart cartoon carts carves case cases cash cast castle casts catcher caution center central chain
chains chat chats checked cheek chess chili chin chinese chip clad clay clear cleat cloak close closeup cloth
clothed clover cluster clutch coach coal cold collared collars college comic compete concrete cone container
contents contest coral cord cords corn corner corners cost costumed counter court courts cousin crab crabs crane
crates cream crib cricket crouch crouches crowd crowded crown curve cycling dancer dances dane deck deep devil
diaper dice diced directions disco dish dishes diver dock dots dough dove drag dragon drawn dried drift dune dunes
dust earth edge effect effects elder electrical electronic elegant enemies enemy engine event events exit eyed fairy
fake farm father feather feathers fellow fenced fencers fetches field fields file fill filter finish firm fist fives
flags flame flames flaming flaps flat flight floor flop flour flowered flowery foam focus footballer footballers
foothills forested form forms fort front furry gamer gaming garlic gate gates gears genre ghost glass glove gloved
glow goal goals grabs gras grasp grasps grassy grate gravel great grill grills grown guest guests gymnastic
gymnastics hairy half hall handing handles hard heading headset heart heat hell helmet helmeted helping hence herbs
herd herding hind hole home hood hook hooks hooping host howling huddle hummer hung hurdle huts iced incline indoor
infant inner inspects jacked jean jersey jockeys judge judges jungle kayak kayaker kayakers knead knee knees knight
labs lack lamp lamps lands lane lanes laps larger late lead leading leafy learn lease leash leashes least leather
legos lens level levels life lights limb lime line lines link lioness lips litter lobster lone loop loose lots lower
lure magic main mall marble mark markers marks mars marsh marx match matches matching mats meal mean meaning means
medal medals mess metal mets middle mime mist mittens model models monster moon moss mother motorcyclist mountainous
mouthed movie mud musical nanny navy nears nephew niece nike noodles note notes numbered oars officer officers onion
orbit order others outer oven packed paddle pads pain pale pans panting paper parachutist parasail parasails parent
parents parka part parts past pasta paste pasture patch patches paying peace peak peaking peeking peel photographer
piece pieces pier pierced pile piles pine pins pirates pitch pitcher pixel place placed places placing plaid planet
plank plastic plates player players playpen plot plush podium point points pointy pokes polo pooh pops port post
posts pound praying present presents price prices print printed prize puck puddle puddles pugs punk puppet puppets
pursued quest quite race racer racers races rack rafters rafting rail railing railings railway ramp range rank rate
rates rather reaches reading ready rear recipe recorder reef reel reels relay result results retaining ridge rings
rink rinks roast robe robes robot robots rocker rocket rocking rocky rod rods role romp roses round rounding rounds
rover rubber rushing sack sacks salad sale salsa same sand sandals sandy sauce scale scary scenery score screen
screens seal seating seeds seem senior serve server sets setting shack shade share sharp shed sheer sheet sheets
shell shiny ship ships shirted shore shoulder shrimp shrine side sides sideways singing site size sizes skiiers
slice slices sling slip sloping smaller smock smoke smoking snap sneakers soaking soars soda soft song songs sorts
space spar sparks speeding spell spells spice sport sports spots spout spraying spring springs sprint squirted
squirts stack stacks stall stands starring stars start state states station steak steam steep step steps stir stone
stony stoop storm story strange strapped streaks stream strikes strings stripe stripes stripped stroller stuck stunt
stunts style such sucks suds supports surf surfboarder sweat sweater sweaters sword swords swung tackles tackling
taken tango tank tape task tasks tattooed teal teenage term terms terrain test tests than theme then thick though
throne thrown thus tide tides tile tiles tips tired tires title toddler tone topic topless tops torch torn toss tour
tours towed tower trade trail trails trainer treks trick tricks trim trip triplets trips trophy trunk trunks tune
tunes twin twins uncle uniformed upper vapor vault virtual waist wake waking wand waterski watery well wheat wheel
wheeled wheeler wheelie wheels whisk whistle whit whole wide wielding wigs wind winding winds winks witch wizard
wooded wooden world woven wrestler wrestlers zombie zoom
""")
"""Common English words, those of photograph captions and of sports, kitchens and games among them."""

__all__ = ["REAL_WORDS"]

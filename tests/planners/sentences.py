# ruff: noqa: RUF001 (people and phones write typographic apostrophes and dashes)
"""Three small services, plain commands over them, and sentences that only look like commands.

`PLAIN` asks for a write, here and now. `CHANGED` holds sentences that, as they stand, ask for none: they
forbid it, tie it to a condition or an hour, put it off, tell of it, ask about it, or take it back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from errands_server.ports import Candidate
from tests.planners.catalogs import TEXT, WHOLE, listed, thing, tool

NUMBER = {"type": "number"}
ISSUE = thing("number title", number=WHOLE, title=TEXT, state=TEXT)
PULL = thing("number title", number=WHOLE, title=TEXT, branch=TEXT)
EMPLOYEE = thing("id name", id=TEXT, name=TEXT, salary=NUMBER)

FORGE = (
    tool(
        "listIssues",
        "List issues",
        "GET",
        "/issues",
        thing(state={**TEXT, "enum": ["open", "closed"]}, label=TEXT, limit=WHOLE),
        listed(ISSUE),
        integration="forge",
    ),
    tool(
        "createIssue",
        "Open a new issue",
        "POST",
        "/issues",
        thing("body", body=thing("title", title=TEXT, text=TEXT, label=TEXT)),
        ISSUE,
        integration="forge",
    ),
    tool(
        "closeIssue",
        "Close an issue",
        "POST",
        "/issues/{number}/close",
        thing("number", number=WHOLE),
        ISSUE,
        integration="forge",
    ),
    tool("listBranches", "List branches", "GET", "/branches", thing(), listed(TEXT), integration="forge"),
    tool(
        "deleteBranch",
        "Delete a branch",
        "DELETE",
        "/branches/{branch}",
        thing("branch", branch={**TEXT, "description": "Name of the branch"}),
        integration="forge",
    ),
    tool(
        "listPullRequests",
        "List pull requests",
        "GET",
        "/pulls",
        thing(limit=WHOLE),
        listed(PULL),
        integration="forge",
    ),
    tool(
        "mergePullRequest",
        "Merge a pull request",
        "PUT",
        "/pulls/{number}/merge",
        thing("number", number=WHOLE),
        PULL,
        integration="forge",
    ),
    tool(
        "getRepository",
        "Get a repository",
        "GET",
        "/repositories/{name}",
        thing("name", name=TEXT),
        thing(name=TEXT, stars=WHOLE),
        integration="forge",
    ),
    tool(
        "archiveRepository",
        "Archive a repository",
        "POST",
        "/repositories/{name}/archive",
        thing("name", name={**TEXT, "description": "Name of the repository"}),
        integration="forge",
    ),
)

HOME = (
    tool("listRooms", "List rooms", "GET", "/rooms", thing(), listed(TEXT), integration="home"),
    tool(
        "getTemperature",
        "Get the temperature of a room",
        "GET",
        "/rooms/{room}/temperature",
        thing("room", room={**TEXT, "description": "Name of the room"}),
        thing(degrees=NUMBER),
        integration="home",
    ),
    tool(
        "setTemperature",
        "Set the temperature of a room",
        "PUT",
        "/rooms/{room}/temperature",
        thing(
            "room body",
            room={**TEXT, "description": "Name of the room"},
            body=thing("degrees", degrees={**NUMBER, "description": "Degrees Celsius"}),
        ),
        integration="home",
    ),
    tool(
        "getEnergyUse", "Get the energy use", "GET", "/energy", thing(), thing(kwh=NUMBER), integration="home"
    ),
    tool("startBoiler", "Start the boiler", "POST", "/boiler/start", thing(), integration="home"),
    tool("stopBoiler", "Stop the boiler", "POST", "/boiler/stop", thing(), integration="home"),
    tool(
        "lockDoor",
        "Lock a door",
        "POST",
        "/doors/{door}/lock",
        thing("door", door={**TEXT, "description": "Name of the door", "enum": ["front", "back", "garage"]}),
        integration="home",
    ),
    tool(
        "unlockDoor",
        "Unlock a door",
        "POST",
        "/doors/{door}/unlock",
        thing("door", door={**TEXT, "description": "Name of the door", "enum": ["front", "back", "garage"]}),
        integration="home",
    ),
    tool("listDoors", "List doors", "GET", "/doors", thing(), listed(TEXT), integration="home"),
)

PAYROLL = (
    tool(
        "listEmployees",
        "List employees",
        "GET",
        "/employees",
        thing(department=TEXT, limit=WHOLE),
        listed(EMPLOYEE),
        integration="payroll",
    ),
    tool(
        "getEmployee",
        "Get an employee",
        "GET",
        "/employees/{id}",
        thing("id", id=TEXT),
        EMPLOYEE,
        integration="payroll",
    ),
    tool(
        "updateSalary",
        "Change the salary of an employee",
        "PATCH",
        "/employees/{id}/salary",
        thing("id body", id=TEXT, body=thing("salary", salary=NUMBER)),
        EMPLOYEE,
        integration="payroll",
    ),
    tool(
        "payBonus",
        "Pay a bonus to an employee",
        "POST",
        "/employees/{id}/bonuses",
        thing("id body", id=TEXT, body=thing("amount", amount=NUMBER, reason=TEXT)),
        thing(id=TEXT),
        integration="payroll",
    ),
    tool(
        "removeEmployee",
        "Remove an employee",
        "DELETE",
        "/employees/{id}",
        thing("id", id=TEXT),
        integration="payroll",
    ),
    tool(
        "getTimesheet",
        "Get a timesheet",
        "GET",
        "/timesheets/{id}",
        thing("id", id=TEXT),
        thing(id=TEXT, hours=NUMBER),
        integration="payroll",
    ),
    tool(
        "approveTimesheet",
        "Approve a timesheet",
        "POST",
        "/timesheets/{id}/approval",
        thing("id", id=TEXT),
        integration="payroll",
    ),
    tool(
        "listPayslips",
        "List payslips",
        "GET",
        "/payslips",
        thing(employee_id=TEXT, month=TEXT),
        listed(thing(id=TEXT, amount=NUMBER)),
        integration="payroll",
    ),
)

SERVICES = {"forge": FORGE, "home": HOME, "payroll": PAYROLL}


class Plain(NamedTuple):
    """A command, and the writing tools its plan calls."""

    service: Sequence[Candidate]
    sentence: str
    writes: tuple[str, ...]


class Changed(NamedTuple):
    """A sentence that is no command as it stands."""

    service: Sequence[Candidate]
    kind: str
    sentence: str


def _plain(service: str, commands: str) -> list[Plain]:
    """One command a line: the tools, a bar, the sentence."""
    made = []
    for line in commands.strip().splitlines():
        names, _, sentence = line.partition("|")
        made.append(Plain(SERVICES[service], sentence.strip(), tuple(names.split())))
    return made


def _changed(kind: str, **blocks: str) -> list[Changed]:
    """One sentence a line, a block for each service; shuffled, and the same on every import."""
    made = [
        Changed(SERVICES[service], kind, sentence.strip())
        for service, block in blocks.items()
        for sentence in block.strip().splitlines()
    ]
    random.Random(kind).shuffle(made)
    return made[: len(made) // 2 * 2]  # an even number, so that every kind fills both halves alike


PLAIN = [
    *_plain(
        "forge",
        """
closeIssue | close issue 12
closeIssue | Close issue 12.
closeIssue | CLOSE ISSUE 45
closeIssue | Please close issue 301
closeIssue | close issue 77 please
closeIssue | Could you close issue 88 for me?
closeIssue | Would you be so kind as to close issue 19?
closeIssue | Hi there! Hope you're well. Could you close issue 88 for me?
closeIssue | We can't reproduce it any more, so close issue 41.
closeIssue | Close issue 41, it is a duplicate of another one
closeIssue | I want you to close issue 60
closeIssue | I'd like to close issue 63, thanks!
closeIssue | Go ahead and close issue 9
closeIssue | Hey, issue 230 is done. Close issue 230.
closeIssue | Just close issue 500 now
closeIssue | Let's close issue 71.
closeIssue closeIssue | Close issue 12 and close issue 14
deleteBranch | delete branch fix-typo
deleteBranch | Delete the branch fix-typo
deleteBranch | remove the branch spike-redis, nobody works on it
deleteBranch | Can you delete the branch feature-login?
deleteBranch | Would you mind deleting the branch old-parser?
deleteBranch | please get rid of the branch tmp-42
deleteBranch | The branch demo-2 is stale. Please delete the branch demo-2.
deleteBranch | I need the branch wip-charts deleted
deleteBranch | Kindly delete branch experiment-7 right away
mergePullRequest | merge pull request 31
mergePullRequest | Merge PR 31
mergePullRequest | merge pull request 52, the tests are green and two people have looked at it
mergePullRequest | Good morning, please merge pull request 8. Thank you so much!
mergePullRequest | Can you merge pull request 17 now?
mergePullRequest | I'd like you to merge pull request 64.
mergePullRequest | ok, merge pull request 99
mergePullRequest | Everything is ready: merge pull request 120
archiveRepository | archive the repository old-site
archiveRepository | Please archive the repository legacy-api because we moved to the new one
archiveRepository | Archive repository mobile-app-v1
archiveRepository | Could you archive the repository playground, please?
createIssue | Open a new issue titled "Login page is blank"
createIssue | Create an issue titled "Search is slow" with label performance
createIssue | please open an issue titled "Don't close the dialog on Escape"
createIssue | New issue please: title "Crash if the file is empty", label bug
mergePullRequest deleteBranch | Merge pull request 31 and delete the branch fix-typo
closeIssue archiveRepository | close issue 12, then archive the repository old-site
mergePullRequest closeIssue | Please merge pull request 40 and then close issue 39
closeIssue createIssue | Close issue 5 and open a new issue titled "Upgrade the runners"
""",
    ),
    *_plain(
        "home",
        """
setTemperature | set the temperature of the kitchen to 21
setTemperature | Set the bedroom to 19 degrees
setTemperature | set the temperature in the office to 20.5 degrees please
setTemperature | Could you set the living room to 22 degrees?
setTemperature | I'm cold! Set the temperature of the bathroom to 24.
setTemperature | Change the temperature of the nursery to 20 degrees
setTemperature | It is freezing in here, please set the kitchen to 23 degrees
setTemperature | I would like the temperature of the study set to 21 degrees
setTemperature | set temperature hallway 17
setTemperature | Would you kindly set the temperature of the attic to 16 degrees? Thanks
startBoiler | start the boiler
startBoiler | Start the boiler now, please
startBoiler | START THE BOILER
startBoiler | Can you start the boiler for me?
startBoiler | There is no hot water, start the boiler
startBoiler | Would you mind starting the boiler?
startBoiler | Go and start the boiler, it's chilly
startBoiler | I need you to start the boiler
startBoiler | Be a dear and start the boiler
stopBoiler | stop the boiler
stopBoiler | Please stop the boiler, it is making a funny noise
stopBoiler | Stop the boiler immediately!
stopBoiler | could you stop the boiler
stopBoiler | We are warm enough. Stop the boiler.
lockDoor | lock the front door
lockDoor | Lock the back door, please.
lockDoor | Please lock the garage door
lockDoor | Can you lock the front door? I'm already in bed.
lockDoor | We're all home, so lock the front door
lockDoor | Hello, lock the back door, would you?
lockDoor | I want the garage door locked
unlockDoor | unlock the garage door
unlockDoor | Unlock the front door, the plumber is here
unlockDoor | Could you unlock the back door so the dog gets in?
unlockDoor | Would you unlock the front door for my mother, please?
unlockDoor | my hands are full, please unlock the front door
lockDoor stopBoiler | Lock the front door and stop the boiler
setTemperature startBoiler | Start the boiler and set the kitchen to 21 degrees
lockDoor lockDoor | lock the front door and lock the back door
unlockDoor startBoiler | Unlock the back door. Then start the boiler.
""",
    ),
    *_plain(
        "payroll",
        """
updateSalary | change the salary of employee e_7 to 5200
updateSalary | Change the salary of e_12 to 4,800
updateSalary | Set the salary of employee e_3 to 61000, please
updateSalary | Please update the salary of employee e_7 to 5500
updateSalary | Could you raise the salary of e_7 to 5200?
updateSalary | Update employee e_20's salary to 3900
updateSalary | I'd like to change the salary of employee e_5 to 4100
updateSalary | She has earned it: change the salary of employee e_8 to 7000
updateSalary | change salary e_9 to 4500
payBonus | pay a bonus of 500 to employee e_7
payBonus | Pay employee e_7 a bonus of 300
payBonus | please pay a bonus of 1,000 to employee e_2
payBonus | Can you pay a bonus of 250 to e_14?
payBonus | Would you please pay a bonus of 750 to employee e_6, who did a great job
payBonus | Pay a bonus of 400 to employee e_3 with the reason "not a single day missed"
payBonus | Let's pay employee e_11 a bonus of 600
payBonus | Good afternoon. Pay a bonus of 120 to employee e_31. Cheers
payBonus | I want to pay a bonus of 90 to employee e_18
removeEmployee | remove employee e_9
removeEmployee | Please remove the employee e_15
removeEmployee | Delete employee e_40, he left the company
removeEmployee | Could you remove employee e_22 from the payroll?
removeEmployee | Remove e_4, a duplicate of e_5
removeEmployee | The employee e_19 has retired, please remove employee e_19
approveTimesheet | approve timesheet ts_4
approveTimesheet | Please approve timesheet ts_88
approveTimesheet | Approve the timesheet ts_17, I checked the hours
approveTimesheet | Could you approve the timesheet ts_23 for me please?
approveTimesheet | would you mind approving timesheet ts_5
approveTimesheet | Timesheet ts_61 looks fine. Approve it.
approveTimesheet | I need timesheet ts_30 approved
approveTimesheet | Go ahead, approve timesheet ts_2
approveTimesheet | approve ts_70 pls
approveTimesheet approveTimesheet | Approve timesheet ts_4 and approve timesheet ts_5
approveTimesheet payBonus | Approve timesheet ts_4 and pay a bonus of 200 to employee e_7
removeEmployee approveTimesheet | approve timesheet ts_9, then remove employee e_9
updateSalary payBonus | Change the salary of employee e_7 to 5200 and pay employee e_7 a bonus of 300
""",
    ),
]

CHANGED = [
    *_changed(
        "negation",
        forge="""
Don't close issue 12.
don’t delete the branch fix-typo
dont merge pull request 31
Do not archive the repository old-site
DO NOT MERGE PULL REQUEST 44!!
Please refrain from closing issue 77
On no account delete the branch release-2
Under no circumstances are you to archive the repository billing-api
By no means merge pull request 18
Hands off pull request 31! Merging it is off the table.
Close issue 12? No way.
Avoid deleting the branch hotfix-9 please
You mustn't merge pull request 52
I'd rather you didn't close issue 203
Merge pull request 61 - NOT! Keep it as it is.
It would be wrong to archive the repository old-site, so leave it
I forbid you to delete branch staging
Nobody is to merge pull request 7
Steer clear of closing issue 15
No closing of issue 91, thank you
""",
        home="""
Don't start the boiler
please dont lock the front door
Don’t you dare unlock the garage door
Whatever you do, do not stop the boiler
Set the kitchen to 25 degrees? Absolutely not.
Never unlock the back door
I do not want you to set the bedroom to 19 degrees
In no case unlock the front door for the salesman
There's no need to start the boiler
You needn't lock the garage door, I am still in there
Resist the urge to set the temperature of the office to 26
unlock the front door is the last thing you should do
starting the boiler is forbidden
Lock the back door: no. Leave it be.
Desist from stopping the boiler
I won't have you unlock the front door
Neither start the boiler nor set the kitchen to 21 degrees
we should not stop the boiler
""",
        payroll="""
Don't change the salary of employee e_7 to 5200
Do NOT pay a bonus of 500 to employee e_7
don´t remove employee e_9
Approve timesheet ts_4? Not on my watch.
Rather than remove employee e_9, leave everything alone
Kindly abstain from approving timesheet ts_12
No bonus of 300 is to be paid to employee e_7
At no time approve timesheet ts_88
I don't think you should remove employee e_15
Removing employee e_22 is out of the question
Employee e_7 shall not be paid a bonus of 900
You are not to change the salary of e_3 to 61000
Nope, don't approve timesheet ts_17
Pay employee e_2 a bonus of 1000? Over my dead body!
It's not a good idea to remove employee e_40
Cease approving timesheet ts_5
We cannot pay a bonus of 750 to employee e_6
Approve timesheet ts_23, not!
""",
    ),
    *_changed(
        "condition",
        forge="""
If the build is green, merge pull request 31
Merge pull request 31 if CI passes
Close issue 12 unless somebody objects
delete the branch fix-typo provided it has been merged
Merge pull request 18 so long as two people have approved it
Merge pull request 19 as long as the tests are green
Should the tests fail, close issue 44
Archive the repository old-site in the event that nobody has pushed this year
Assuming that issue 12 is a duplicate, close it
Delete branch spike-redis on condition that it holds nothing new
Only if it is fixed in the release, close issue 90
Merge pull request 52 given a green light from the pipeline
Is branch demo-2 merged? Then delete branch demo-2, otherwise keep it.
Close issue 230 whenever its author does not answer
Were pull request 8 to pass, merge pull request 8
Depending on how the tests turn out, merge pull request 64 or close issue 64
Merge pull request 99. But only when there are no conflicts.
Delete the branch tmp-42, supposing it's stale
""",
        home="""
If it gets colder than 18 degrees, start the boiler
Unlock the front door if it's my mother
Start the boiler unless somebody has already done so
Lock the back door in case nobody is at home
Set the kitchen to 21 degrees provided that the window is shut
Should it freeze, start the boiler
Set the bedroom to 19 degrees as long as the baby sleeps
Stop the boiler whenever the office is warmer than 24
Lock the front door when everyone has left
start the boiler, but just if the price of gas is low
Assuming the plumber is trustworthy, unlock the garage door
In the event of rain lock the back door
Stop the boiler the moment smoke is detected
unless the window is open set the office to 20 degrees
Stop the boiler. That is, if it is running hot.
Set the study to 21 degrees on the understanding that it costs less than 2 euros
Were the house empty, lock the front door
Provided nobody minds, set the living room to 18 degrees
""",
        payroll="""
Approve timesheet ts_4 if the hours add up
If she signs the contract, change the salary of employee e_7 to 5200
Pay a bonus of 500 to employee e_7 unless he has had one this year
Remove employee e_9 in case he has resigned
Approve timesheet ts_88 so long as it shows fewer than 40 hours
Provided the budget allows it, pay employee e_2 a bonus of 1000
Remove employee e_15 only when the last payslip is out
Change the salary of e_12 to 4800 on condition that she stays
Should e_7 reach his target, pay employee e_7 a bonus of 300
Assuming no overtime, approve timesheet ts_17
Approve timesheet ts_23, providing the project code is right
Contingent on a good review, pay a bonus of 250 to e_14
Approve timesheet ts_61 subject to the hours being right
Whenever e_31 sells ten units, pay a bonus of 120 to employee e_31
Is employee e_22 gone for good? In that case remove employee e_22.
Pay a bonus of 600 to employee e_11 if and only if the deal closes
suppose the quarter was good: pay employee e_6 a bonus of 750
Change the salary of employee e_8 to 7000, but first make sure that she is senior; otherwise leave it
""",
    ),
    *_changed(
        "exception",
        forge="""
Delete every branch except main
Close all issues but 12
Close all issues save for the ones labelled bug
Delete the branch fix-typo only on my laptop
Merge pull request 31 without its last commit
Apart from issue 12, close all of them
Merge pull request 52 but leave out the changes to the docs
Archive all repositories other than billing-api
Barring release branches, delete each branch
Close issues 12, 13 and 14, excluding those with a comment
Close issue 41 for outsiders only
Merge just the tests of pull request 64
Delete branches with the exception of staging
merge pull request 18 minus the migration
Close issue 77 without notifying anybody
Archive the repository old-site, though keep its issues writable
With the exception of pull request 8, merge the lot
Merge pull request 99, only the first two commits
""",
        home="""
Lock all doors except the garage
Lock every door but the front door
Set every room but the kitchen to 19 degrees
Start the boiler for the upper floor only
Save for the bedroom, set the rooms to 20 degrees
Unlock the front door, but only for Anna
Stop the boiler without cutting the hot water
Set the kitchen to 21 degrees, except on the window side
Set the office to 22 degrees using no more than 1 kWh
Lock the back door only halfway, so the cat gets in
Barring the nursery, set the temperature to 17 degrees everywhere
Start the boiler at no more than half power
Other than the garage, unlock the doors
Unlock the garage door without disarming the alarm
Start the boiler only for hot water, not for heating
lock the doors excluding the back one
Set all rooms to 18 degrees aside from the bathroom
Set the living room to 21 degrees for the radiator under the window alone
""",
        payroll="""
Approve all timesheets except ts_4
Pay a bonus of 500 to everybody but e_7
Save for e_9, remove the employees in sales
Remove employee e_9 from the chat only
Approve timesheet ts_88 without the overtime
Approve timesheet ts_17, but leave Friday out
Barring e_3, pay a bonus of 200 to each employee
Approve just the first ten hours of timesheet ts_23
Change the salary of everyone other than e_12 to 4800
Pay employee e_2 a bonus of 1000, excluding tax
Approve timesheets ts_4, ts_5 and ts_6 apart from those over 40 hours
Change the salary of employee e_7 to 5200 for the bonus calculation only
Approve timesheet ts_61 in part only
Remove all employees aside from e_1
Pay a bonus of 250 to e_14, minus what he owes us
Remove employee e_22, yet keep the payslips
Bar e_40 and e_41, pay all employees a bonus of 50
approve timesheet ts_5 with the exception of the travel hours
""",
    ),
    *_changed(
        "question",
        forge="""
How do I close issue 12?
What happens if I delete the branch fix-typo?
Should I merge pull request 31?
Is it safe to delete branch staging?
Who is allowed to merge pull request 18?
Why did somebody close issue 77?
Would it be wise to archive the repository old-site
Do I have to close issue 41 by hand?
Can I still merge pull request 52 after the freeze?
Has anyone closed issue 90 yet?
what does it take to archive the repository billing-api
Is there a way to delete the branch tmp-42 from here?
When was pull request 8 merged?
Does merging pull request 64 close issue 63?
Merge pull request 99 or not, what do you think?
Ought we to close issue 230?
Any idea how to merge pull request 120?
Tell me how to delete the branch demo-2
""",
        home="""
How do I start the boiler?
Should we set the kitchen to 21 degrees?
What would it cost to set the bedroom to 23 degrees?
Did anybody lock the front door?
Is it dangerous to stop the boiler at night?
Am I allowed to unlock the garage door?
Why would anyone unlock the back door?
Explain how to set the temperature of the office to 20
Do you think I should start the boiler?
What's the best way to lock the back door
Is the boiler started automatically?
When should I stop the boiler?
How long does it take to set the living room to 22 degrees?
Who's able to unlock the front door?
Does it make sense to set the attic to 16 degrees?
Can guests unlock the front door?
Would stopping the boiler save energy?
whats the command to start the boiler
""",
        payroll="""
How can I approve timesheet ts_4?
Should I change the salary of employee e_7 to 5200?
What are the taxes if I pay a bonus of 500 to employee e_7?
Is it legal to remove employee e_9?
Who may approve timesheet ts_88?
Have we already paid employee e_2 a bonus of 1000?
Why was timesheet ts_17 approved?
Would it be fair to pay employee e_14 a bonus of 250?
Does removing employee e_15 delete the payslips too?
Which steps does it take to remove employee e_22?
May I approve timesheet ts_23 myself?
Is it possible to change the salary of e_12 to 4800 in the middle of a month?
Do I need to approve timesheet ts_61?
What if we pay a bonus of 750 to employee e_6?
Describe how one would remove employee e_40
Did she really approve timesheet ts_30?
Could one pay a bonus of 120 to employee e_31 twice?
Show me how to change the salary of employee e_8 to 7000
""",
    ),
    *_changed(
        "report",
        forge="""
I closed issue 12 yesterday
Tom told me to delete the branch fix-typo
My manager insists that we merge pull request 31
Last week Anna wanted to archive the repository old-site
The customer would like issue 77 closed
Somebody has deleted the branch release-2
We had to merge pull request 18 in a hurry
The team keeps asking me to close issue 41
According to Joe, you should merge pull request 52
He said close issue 90
They were going to delete the branch tmp-42
Apparently the bot tried to close issue 230
Had I known, I would have merged pull request 8
I've just merged pull request 64, so all is well
In the meeting it was decided to archive the repository billing-api
I used to close issue 15 every time it came back
The intern managed to delete branch demo-2
Mary begged us to merge pull request 99
""",
        home="""
I started the boiler an hour ago
My wife wants the bedroom set to 19 degrees
The landlord asked me to stop the boiler
Grandma always tells me to lock the front door
I have already locked the back door
The kids wanted to set the living room to 25 degrees
Yesterday the system set the kitchen to 21 degrees by itself
The burglar managed to unlock the garage door
Our neighbour thinks we should start the boiler
He had set the office to 22 degrees when the fuse blew
The manual recommends to stop the boiler in summer
We forgot to lock the front door last night
somebody unlocked the back door this morning
My doctor suggests that I set the bedroom to 17 degrees
The plumber said stop the boiler
It was me who set the bathroom to 24 degrees
I was told to unlock the front door
She would have started the boiler, had she been cold
""",
        payroll="""
I approved timesheet ts_4 on Monday
The union demands that we change the salary of employee e_7 to 5200
Employee e_7 was paid a bonus of 500 last month
Paul wishes we would remove employee e_9
HR asked me to approve timesheet ts_88
My boss is keen to pay employee e_2 a bonus of 1000
Finance tried to remove employee e_15
She expected us to approve timesheet ts_17
It has been agreed to change the salary of e_12 to 4800
e_14 is demanding that I pay a bonus of 250 to e_14
We removed employee e_22 by mistake
The director kept saying pay a bonus of 750 to employee e_6
In 2023 we changed the salary of employee e_8 to 7000
They refused to approve timesheet ts_23
Sarah promised to pay employee e_11 a bonus of 600
He's been nagging me to approve timesheet ts_61
The auditor recommended removing employee e_40
I almost approved timesheet ts_5 this morning
""",
    ),
    *_changed(
        "waiting",
        forge="""
Wait for Anna before you merge pull request 31
Merge pull request 31 once Anna has reviewed it
Close issue 12 after checking with Tom
Run it past legal, then archive the repository old-site
Once legal signs off, archive the repository billing-api
Hold fire on merging pull request 18 till Joe is back
Delete the branch fix-typo as soon as Maria confirms
Pending approval from security, merge pull request 52
Ask Peter whether he minds, and delete branch demo-2
merge pull request 64 when I give you the go-ahead
Get the OK of the maintainers first and close issue 90
Close issue 77, but let Kim have a look first
Until the release manager agrees, hold off merging pull request 8
Archive the repository legacy-api upon confirmation by the owner
Check with me before you close issue 230
Give QA a chance to answer, then merge pull request 99
Merge pull request 120 with the blessing of the architects, which I expect soon
Delete the branch tmp-42. Double-check with Lena beforehand.
""",
        home="""
Wait until I am home, then start the boiler
Unlock the front door once Anna rings
Ask my wife first and set the bedroom to 19 degrees
Start the boiler as soon as the plumber says so
Hold off on locking the back door until the dog is in
Stop the boiler after talking to the landlord
Set the kitchen to 21 degrees when Peter gives his OK
Don't unlock the garage door before I call you
Lock the front door, but check with the kids first
After the chimney sweep has gone, start the boiler
Let the technician finish and start the boiler
Sit tight, then unlock the front door on my signal
Once everybody's in bed, lock the back door
Set the office to 20 degrees subject to my colleague's consent
Await my word, then stop the boiler
Stop the boiler following confirmation from the gas company
Unlock the back door when I say so
Clear it with Mum, then set the living room to 23 degrees
""",
        payroll="""
Wait for the CFO before paying employee e_7 a bonus of 500
Approve timesheet ts_4 once Karen has signed it
Run it by HR and then change the salary of employee e_7 to 5200
When the works council agrees, remove employee e_9
Approve timesheet ts_88 after the project lead has checked it
Pay a bonus of 1000 to employee e_2 as soon as the board approves
Get sign-off from finance, then pay employee e_14 a bonus of 250
Pending the lawyer's answer, remove employee e_15
Hold the approval: approve timesheet ts_17 when Eva is back
Change the salary of e_12 to 4800 upon my boss's approval
Consult legal prior to removing employee e_22
Let me speak with her first, then approve timesheet ts_23
Remove employee e_40 once he has handed in his laptop
Keep timesheet ts_61 on hold. Approve it when Dan gives the nod.
Not until Ruth says yes: pay a bonus of 750 to employee e_6
Have the accountant verify it before approving timesheet ts_5
Subject to the director's approval, change the salary of employee e_8 to 7000
Await the reply of e_11 and pay employee e_11 a bonus of 600
""",
    ),
    *_changed(
        "time",
        forge="""
Merge pull request 31 tomorrow
Close issue 12 at 5 pm
Delete the branch fix-typo next week
Come Monday, archive the repository old-site
In a fortnight, close issue 77
Merge pull request 18 tonight at ten
On 1 April archive the repository billing-api
Delete branch demo-2 in 20 minutes
merge pull request 52 first thing in the morning
Close issue 90 at the end of the sprint
After the code freeze merge pull request 64
Close issue 230 every Friday
Merge pull request 8 later today
Archive the repository legacy-api when the year is over
Some time next month, delete the branch tmp-42
Merge pull request 99 at noon sharp
Not before Thursday: close issue 41
Delete the branch spike-redis a week from now
""",
        home="""
Start the boiler at 6 am
Lock the front door at midnight
Set the bedroom to 19 degrees tonight
Stop the boiler in half an hour
Unlock the garage door tomorrow morning
Set the kitchen to 21 degrees from Monday on
Start the boiler every day at dawn
When the sun goes down, lock the back door
Set the office to 22 degrees on weekdays
In ten minutes unlock the front door
Come winter, start the boiler
Set the living room to 23 degrees for two hours
Stop the boiler after dinner
lock the back door at half past nine
Set the attic to 16 degrees over the holidays
Start the boiler an hour before I get up
Unlock the front door at quarter to eight
Stop the boiler on Sunday. The weather will be warm.
""",
        payroll="""
Approve timesheet ts_4 on Friday
Change the salary of employee e_7 to 5200 as of 1 July
Pay a bonus of 500 to employee e_7 at Christmas
Remove employee e_9 at the end of the month
Pay employee e_2 a bonus of 1000 every quarter
From next year on, change the salary of e_12 to 4800
Approve timesheet ts_88 in three days
Effective 2025-06-01, change the salary of employee e_8 to 7000
Remove employee e_15 after his last day
Pay a bonus of 250 to e_14 with the December payroll
Approve timesheet ts_17 the day after tomorrow
come pay day, pay employee e_11 a bonus of 600
Approve timesheet ts_23 at 17:30
Remove employee e_22 once the notice period has run out
Twice a year, pay a bonus of 120 to employee e_31
Approve timesheet ts_61 this evening
Next Tuesday remove employee e_40
Pay a bonus of 750 to employee e_6 in Q3
""",
    ),
    *_changed(
        "uncertainty",
        forge="""
Maybe close issue 12
Perhaps we should delete the branch fix-typo
I am thinking of merging pull request 31
Oh sure, delete branch main, what could possibly go wrong
Close issue 77. Actually, scratch that.
Delete the branch demo-2... just kidding
We're planning to archive the repository old-site
I'm not sure whether to close issue 41
Merge pull request 52 - forget it, I changed my mind
The error text reads "delete branch staging"
One day I'll archive the repository billing-api
Supposedly someone is to merge pull request 18
I wonder about closing issue 90
Yeah right, merge pull request 64 and break everything again
I might close issue 230
Merge pull request 8? Hmm, dunno.
Imagine you were to delete the branch tmp-42
Close issue 15, oh wait, never mind
""",
        home="""
Maybe start the boiler
It could be time to set the kitchen to 21 degrees
Start the boiler. No, wait, leave it.
Great, unlock the front door for every burglar in town, brilliant idea
I'm considering setting the bedroom to 19 degrees
Presumably the cleaner will lock the back door
Someday I will set the attic to 16 degrees
"Stop the boiler" is what the note on the fridge says
I was about to unlock the garage door
Lock the front door, or perhaps the back door, I can't decide
Set the office to 22 degrees, or don't, I don't care
I guess somebody could stop the boiler
Stop the boiler. Cancel that!
I'm toying with the idea of setting the living room to 23 degrees
Unlock the back door – on second thought, no
Pretend to start the boiler
Chances are that they'll start the boiler
I suppose I'd lock the front door
""",
        payroll="""
Perhaps approve timesheet ts_4
We may have to remove employee e_9
Approve timesheet ts_88. Sorry, wrong one, ignore that.
I'm wondering about a change of the salary of employee e_7 to 5200
Sure, pay a bonus of 500 to employee e_7, because he clearly deserves it for sleeping
It looks as though they will pay employee e_2 a bonus of 1000
I intend to remove employee e_15 some day
Her mail said: "approve timesheet ts_17"
Possibly change the salary of e_12 to 4800
Remove employee e_22, or maybe e_23, I forget which
I can't make up my mind about paying e_14 a bonus of 250
Pay a bonus of 750 to employee e_6. Scrap that.
Let's say we change the salary of employee e_8 to 7000
I doubt that we will approve timesheet ts_23
Rumour has it that we'll remove employee e_40
Approve timesheet ts_61 – disregard this message
Our plan is to pay employee e_11 a bonus of 600
As an example of a command, take "approve timesheet ts_5"
""",
    ),
]

KINDS = tuple(dict.fromkeys(changed.kind for changed in CHANGED))
HALVES = {"looked_at": CHANGED[0::2], "held_out": CHANGED[1::2]}
